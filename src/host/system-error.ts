import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** What the kernel refused to us, in the operator's words: a full disk is no bug of ours. Anything else is as it was. */
export function asSystemError(error: unknown): unknown {
  if (error instanceof MounterError || !isErrnoException(error)) return error;
  return systemError(error);
}

/** For the end of a call: what the node has run out of is told apart from what we did not foresee, which is our bug. */
export function asMounterError(error: unknown): MounterError {
  if (error instanceof MounterError) return error;
  // A call that the kernel refuses is the node's matter, whatever it is refused for.
  if (isErrnoException(error)) return systemError(error);
  const message = error instanceof Error ? error.message : String(error);
  return new MounterError(message, {
    subject: 'internal error',
    status: exitCode.internal,
    hint: 'please report it, with this line and what mounter report FILE writes',
    cause: error,
  });
}

function systemError(error: NodeJS.ErrnoException): MounterError {
  const { path, message, code = '' } = error;
  const hint = hints[code] ?? hintsOfPlaces[code] ?? unforeseen;
  return new MounterError(message, { subject: path, status: exitCode.system, hint, cause: error });
}

/** Whether a system call failed; decompressors' errors have a code too, but no system call. */
export function isErrnoException(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** Does it; the error of a call on an open file, which names none, is about `path` then. */
export function about<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isErrnoException(error)) error.path ??= path;
    throw error;
  }
}

/** An error in the form of node:fs's. */
export function callError(code: string, syscall: string, path: string | Buffer): NodeJS.ErrnoException {
  const text = path.toString();
  return Object.assign(new Error(`${code}: ${syscall} '${text}'`), { code, syscall, path: text });
}

const unforeseen =
  'see dmesg of this node; if it comes again, report it, with this line and what mounter report FILE writes';

/** What to do about an errno of that name, by which the node has run out of something. */
export function hintOf(code: string): string | undefined {
  return hints[code];
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room, then try again',
  EDQUOT: 'a quota is used up: make room, then try again',
  EMFILE: 'raise the limit on open files of whoever calls (ulimit -n; LimitNOFILE= in the unit of kubelet)',
  ENFILE: `the node has no more open files to give: see what holds them, or ${raiseLimit('fs.file-max')}`,
  ENOMEM: 'the node, or the cgroup of the caller, is out of memory',
  EAGAIN:
    'the node, or the cgroup of the caller, has no more processes to give: see what runs, or raise TasksMax= and LimitNPROC=',
  EIO: 'a disk, or the server of a filesystem, fails: see dmesg of this node',
  EROFS: 'the filesystem is read-only: mount it rw; for what is in MOUNTER_HOME, another one can be named',
};

/** The next action where a limit of the kernel's is used up: `fs.mount-max`, say. It stays so until the next reboot. */
export function raiseLimit(sysctl: string): string {
  return `run sysctl -w ${sysctl}=$((2 * $(sysctl -n ${sysctl}) + 1000))`;
}

/** Where the file that is named, or the way to it, is not what it should be. */
const hintsOfPlaces: Readonly<Record<string, string>> = {
  ENOENT: 'see which directory on the way is missing (namei -l), and make it, or name another place',
  ENOTDIR: 'see what on the way is no directory (namei -l), and move it away, or name another place',
  EISDIR: 'a directory has the place of a file: see what is in it, and move it away, or name another place',
  EEXIST: 'something else has this name: see what it is (ls -ld), and move it away, or name another place',
  ENOTEMPTY: 'see what is in this directory, and move it away',
  ELOOP: 'a symlink on the way leads to itself: see namei -l',
  ENAMETOOLONG: 'name a shorter path',
  EBUSY: 'something is mounted there, or uses it: see findmnt and fuser -vm, then try again',
  EACCES: 'see who may do so there (namei -l, lsattr -d), and what a security module forbids (dmesg)',
  EPERM: 'see who may do so there (namei -l, lsattr -d), and what a security module forbids (dmesg)',
  EXDEV: 'name a place on the same filesystem',
};
