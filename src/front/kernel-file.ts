import * as system from 'system-calls';
import type { MountHost } from '../host/mount-host.ts';

/** More than any such file has. */
const maximumBytes = 4096;

/** `MountHost.changeKernelFile` */
export const changeKernelFile: MountHost['changeKernelFile'] = (path, next) => {
  const file = openKernelFile(path);
  if (file < 0) return { failure: nameOf(file) };
  try {
    const before = system.read(file, 0, maximumBytes);
    if (typeof before === 'number') return { failure: nameOf(before) };
    const wanted = next(before);
    if (wanted === undefined) return { text: before };
    const written = system.write(file, wanted);
    const after = written < 0 ? written : system.read(file, 0, maximumBytes);
    return typeof after === 'number' ? { failure: nameOf(after) } : { text: after };
  } finally {
    system.close(file);
  }
};

/** In a container /sys is read-only, or not there; what root may do to it is the same by a sysfs of our own. */
function openKernelFile(path: string): number {
  const file = system.open(`/sys/${path}`, system.O_RDWR, 0);
  const isMissing = file === -system.ENOENT && system.access('/sys/class', system.X_OK) === 0;
  if (file >= 0 || isMissing) return file;
  const sysfs = system.openSysfs();
  if (sysfs < 0) return file;
  const inOwn = system.openAt(sysfs, path, system.O_RDWR);
  system.close(sysfs);
  return inOwn;
}

function nameOf(result: number): string {
  return system.errorNames(-result)[0];
}
