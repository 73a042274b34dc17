import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename } from 'node:path';
import { embeddedFile } from '../../host/embedded-file.ts';
import { fileHost } from '../../host/file-host.ts';
import { fileStateOf, isSettled } from '../../host/file-state.ts';
import { replace, writeAtomically } from '../../host/replace.ts';
import { type Layout, runDirectory } from '../../node/layout.ts';

/**
 * This program's own file. The path that it was started by may be of another mount namespace, or lead to a newer
 * executable by now.
 */
const ownFile = '/proc/self/exe';

/**
 * kubelet's mounter path is MOUNTER_HOME/mounter: the front, which is embedded in this executable. Beside it
 * comes what it hands over to, this executable itself. That one first: a front without it could not do all.
 * A running one keeps its old file: the new one comes by rename.
 * @returns what was placed; nothing that is in place already, or when this is no compiled executable.
 */
export async function placeExecutables(executable: string, layout: Layout): Promise<readonly string[]> {
  const front = await embeddedFile('mounter-front');
  if (front === undefined || !['mounter', 'mounter-full'].includes(basename(executable))) return [];
  const { fullExecutable, executable: frontExecutable } = layout;
  const placed: string[] = [];
  if (!(await isOwn(fullExecutable))) {
    replace(fullExecutable, (unfinished) => {
      copyFileSync(ownFile, unfinished, constants.COPYFILE_FICLONE);
      chmodSync(unfinished, 0o755);
    });
    await forgetPages(fullExecutable);
    placed.push(fullExecutable);
  }
  if (!existsSync(frontExecutable) || !readFileSync(frontExecutable).equals(front)) {
    writeAtomically(frontExecutable, front, 0o755);
    placed.push(frontExecutable);
  }
  return placed;
}

/** Who has found two executables the same leaves their states here: to read them is to read 240 MB. */
const sameExecutables = `${runDirectory}/same-executables`;

async function isOwn(path: string): Promise<boolean> {
  const look = () =>
    [ownFile, path].flatMap((one) => statSync(one, { bigint: true, throwIfNoEntry: false }) ?? []);
  const textOf = (states: readonly BigIntStats[]) => states.map(fileStateOf).join('\n');
  const [beganMs, before] = [Date.now(), look()];
  if (fileHost.readText(sameExecutables) === textOf(before)) return true;
  if (!isSameFile(ownFile, path)) return false;
  await forgetPages(path);
  const isQuiet = before.every(({ ctimeNs }) => isSettled(Number(ctimeNs / 1_000_000n), beganMs));
  try {
    if (isQuiet && textOf(look()) === textOf(before))
      fileHost.replaceText(sameExecutables, textOf(before), 0o600);
  } catch {
    // A full or read-only /run: they are read each time, then.
  }
  return true;
}

function isSameFile(a: string, b: string): boolean {
  const [first, second] = [statSync(a), statSync(b, { throwIfNoEntry: false })];
  if (second === undefined || first.size !== second.size) return false;
  return (first.dev === second.dev && first.ino === second.ino) || haveSameBytes(a, b);
}

/** A piece at a time: an executable of more than 100 MB is not held in memory twice. */
function haveSameBytes(a: string, b: string): boolean {
  const files = [openSync(a, 'r'), openSync(b, 'r')];
  const pieces = files.map(() => Buffer.alloc(1 << 20));
  try {
    for (;;) {
      const [first, second] = files.map((file, index) => {
        const piece = pieces[index] ?? Buffer.of();
        return piece.subarray(0, readSync(file, piece));
      });
      if (first === undefined || second === undefined || !first.equals(second)) return false;
      if (first.length === 0) return true;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}

/** The kernel counts what stays in its page cache as memory of the container that wrote or read it: the node agent's. */
async function forgetPages(path: string): Promise<void> {
  const { dropFromCache } = await import('../../host/process-calls.ts');
  const file = openSync(path, 'r');
  try {
    fdatasyncSync(file);
    dropFromCache(file);
  } finally {
    closeSync(file);
  }
}
