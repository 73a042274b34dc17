import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { ApartRequest, ApartSite } from '../host/mount-host.ts';
import { hintOf, raiseLimit } from '../host/system-error.ts';
import { shellQuoted } from '../shell-word.ts';
import { checked } from './system-error.ts';

/** A mount made apart: parts of `MountHost`. */

let proc: number | undefined;

/** The host's, whatever is at /proc where we look. */
function hostProc(): number {
  proc ??= checked('open', '/proc', system.open('/proc', system.O_PATH | system.O_DIRECTORY, 0));
  return proc;
}

export function makeApart({
  pin,
  target,
  targetFile,
  directory,
  scratch,
  user,
  file,
}: ApartRequest): ApartSite {
  const tree = file === undefined ? -1 : cloneFile(file);
  const pinned = checked('open', pin, system.open(pin, system.O_RDONLY, 0));
  try {
    const [namespace = -1, second = 0] = system.makeApart(
      [pinned, hostProc(), tree, user],
      directory,
      target,
      file?.path ?? '',
      scratch,
    );
    if (namespace < 0) throw notMade(target, second, -namespace);
    return { kind: 'apart', namespace, mountTable: second, place: target, targetFile };
  } finally {
    system.close(pinned);
    if (tree >= 0) system.close(tree);
  }
}

function cloneFile({ path, descriptor }: NonNullable<ApartRequest['file']>): number {
  const tree = system.cloneMount(descriptor);
  if (tree >= 0) return tree;
  const [code, description] = system.errorNames(-tree);
  throw new MounterError(`the helper cannot be given its log file: open_tree: ${code}: ${description}`, {
    subject: path,
    status: exitCode.system,
    errorClass: 'node',
    // A volume's author chose the path, and somebody may paste the hint.
    hint:
      code === 'EINVAL'
        ? `the file lies on an unbindable mount: mount --make-private "$(findmnt -no TARGET --target ${shellQuoted(path)})"`
        : (hintOf(code) ?? 'see dmesg of this node'),
  });
}

/** `enum apart_step` of apart.h */
const steps = ['clone or setns', 'unshare', 'mount of a tmpfs', 'mount of the log file', 'open'];

function notMade(target: string, step: number, errno: number): MounterError {
  const [code, description] = system.errorNames(errno);
  const isLimit = code === 'ENOSPC';
  return new MounterError(`no place to mount apart can be made: ${steps[step]}: ${code}: ${description}`, {
    subject: target,
    status: exitCode.system,
    errorClass: 'node',
    hint: isLimit
      ? raiseLimit(steps[step] === 'unshare' ? 'user.max_mnt_namespaces' : 'fs.mount-max')
      : (hintOf(code) ?? 'run mounter prepare; if it comes again, see dmesg of this node'),
  });
}

export function readMountTable({ mountTable }: ApartSite): string {
  return checked('read', '/proc/self/mountinfo', system.read(mountTable, 0, Number.MAX_SAFE_INTEGER));
}

export function attach({ namespace, place, targetFile }: ApartSite): string | undefined {
  const mount = system.copyMount(namespace, place);
  if (mount < 0) return system.errorNames(-mount)[0];
  const result = system.attachMount(mount, targetFile);
  system.close(mount);
  return result < 0 ? system.errorNames(-result)[0] : undefined;
}
