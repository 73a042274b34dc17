import * as system from 'system-calls';

/**
 * `Host.withinNamespace`: the front has one thread, which goes there and comes back.
 * @throws when it can't be entered; what can't come back is ended, for it would act in another place.
 */
export function withinNamespace<T>(file: string, look: () => T): T {
  const [there = -1, back = -1, root = -1] = [file, '/proc/self/ns/mnt', '/'].map((path) =>
    system.open(path, system.O_RDONLY, 0),
  );
  try {
    if (back < 0 || root < 0) throw cannotEnter(file, Math.min(back, root));
    const entered = there < 0 ? there : system.enterMounts(there, -1);
    if (entered < 0) throw cannotEnter(file, entered);
    try {
      return look();
    } finally {
      if (system.enterMounts(back, root) < 0) system.exit(4);
    }
  } finally {
    for (const fd of [there, back, root]) if (fd >= 0) system.close(fd);
  }
}

function cannotEnter(file: string, result: number): Error {
  const [code, description] = system.errorNames(-result);
  return Object.assign(new Error(`${code}: ${description}, setns '${file}'`), { code, syscall: 'setns' });
}
