import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { runProgram } from '../../host/run-program.ts';
import type { ImageContent } from '../content.ts';
import { unpackImage } from '../layers/unpack-image.ts';
import type { SourceOptions } from '../source.ts';

/**
 * Unpacks an image to `unfinished`, a name that means nothing yet, and leaves it there complete and on
 * disk: whoever gives it its name after that can be sure of it, after a power cut as well.
 * @param check refuses what was unpacked, by throwing.
 * @throws MounterError (system); nothing is left behind then.
 */
export async function stage(
  content: ImageContent,
  unfinished: string,
  check: (root: string) => Promise<void>,
  progress: SourceOptions['progress'],
): Promise<void> {
  mkdirSync(unfinished, 0o755);
  removeAtExit(unfinished);
  try {
    await unpackImage(counted(content, progress), realpathSync(unfinished));
    progress({ kind: 'step', text: 'checking what was unpacked' });
    await check(unfinished);
    progress({ kind: 'step', text: 'waiting for the disk' });
    await runProgram('sync', ['-f', unfinished], 600_000);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** The same image, which tells how much of it has been read. */
function counted(content: ImageContent, progress: SourceOptions['progress']): ImageContent {
  const totalBytes = content.layers.reduce((sum, { size }) => sum + size, 0);
  let bytes = 0;
  async function* counting(blob: Readable) {
    for await (const chunk of blob) {
      bytes += chunk.length;
      progress({ kind: 'unpacked', bytes, totalBytes });
      yield chunk;
    }
  }
  const layers = content.layers.map((layer) => ({
    ...layer,
    open: async () => Readable.from(counting(await layer.open())),
  }));
  return { ...content, layers };
}

/** Also when a signal ends us; once it has its name, nothing is there to remove. */
export function removeAtExit(unfinished: string): void {
  process.once('exit', () => {
    try {
      rmSync(unfinished, { recursive: true, force: true });
    } catch {
      // Somebody else is taking it away at this moment; or the next run will.
    }
  });
}
