import type { Descriptor, MountHost, OpenStatus } from '../../host/mount-host.ts';

/** The directory to mount on: opened once, and from then on this very directory. */
export interface OpenTarget {
  readonly file: Descriptor;
  readonly status: OpenStatus;
  readonly identityMount: string;
  /** The directories from the identity mount down to the target's parent. */
  readonly way: readonly OpenStatus[];
}

/** What was found on the way down to a file: each part opened in the one before, no symlink followed. */
export interface PathWalk {
  /** One for the directory that it begins with and for each part below it, down to the first that is missing or no directory. */
  readonly steps: readonly OpenStatus[];
  /** The last part, open; undefined where the way ends before. */
  readonly file: Descriptor | undefined;
}

/**
 * Goes from `directory`, which may be a symlink, down `names`.
 * @param mounts `one`: into nothing that is mounted on the way, whose server may never answer. What is mounted there is
 *   the last of the steps then.
 * @returns what the caller closes, by `host.close` of its `file`.
 */
export function walk(
  directory: string,
  names: readonly string[],
  host: MountHost,
  mounts: 'any' | 'one' = 'any',
): PathWalk {
  const steps: OpenStatus[] = [];
  let file = host.openDirectory(directory);
  for (let index = 0; index <= names.length; index += 1) {
    if (index > 0) file = openNext(file, names[index - 1] ?? '', host);
    if (file === undefined) return { steps, file };
    const status = host.statusOf(file);
    steps.push(status);
    const isEntered = mounts === 'any' || status.mountId === steps[0]?.mountId;
    if (isEntered && (index === names.length || status.kind === 'directory')) continue;
    host.close(file);
    return { steps, file: undefined };
  }
  return { steps, file };
}

function openNext(directory: Descriptor | undefined, name: string, host: MountHost): Descriptor | undefined {
  if (directory === undefined) return undefined;
  try {
    return host.openIn(directory, name);
  } finally {
    host.close(directory);
  }
}

/** The parts of `path` below `directory`. */
export function partsBelow(directory: string, path: string): readonly string[] {
  return path.slice(directory.length + 1).split('/');
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
