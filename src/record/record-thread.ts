import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withTimeout } from '../host/with-timeout.ts';
import { recordFlags, recordMode } from './record-file.ts';

/**
 * Opens the record's file in a thread of the runtime's, making its directory if need be.
 * @returns undefined when it takes too long. @throws what the kernel refuses.
 */
export function openByThread(path: string): Promise<number | undefined> {
  return withTimeout(opened(path));
}

async function opened(path: string): Promise<number> {
  try {
    return await fileDescriptor(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // Whatever kubelet's umask is: operators look for it.
    if (made !== undefined) await chmod(dirname(path), 0o755);
    return fileDescriptor(path);
  }
}

/** FileHandles that nobody holds any more are closed behind our back, so it is kept. */
const handles: unknown[] = [];

async function fileDescriptor(path: string): Promise<number> {
  const handle = await open(path, recordFlags, recordMode);
  handles.push(handle);
  return handle.fd;
}
