import type { MountEntry } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';

/** One call of mount(8) or umount(8). */
export type MountAction =
  | {
      readonly kind: 'bind';
      readonly from: string;
      readonly to: string;
      readonly isRecursive: boolean;
      readonly propagation: 'private' | 'unchanged';
    }
  | { readonly kind: 'tmpfs'; readonly to: string }
  | {
      readonly kind: 'propagation';
      readonly to: string;
      readonly propagation: 'private' | 'rprivate' | 'rslave' | 'shared' | 'rshared' | 'unbindable';
    }
  | { readonly kind: 'remount'; readonly to: string; readonly options: string }
  | { readonly kind: 'detach'; readonly to: string };

/**
 * Takes the topmost mount at `target` away with all below it. Slaves first: else the volumes below a shared one would
 * be unmounted on the host as well. Not private: a volume that kubelet unmounts between the two would stay here, and
 * keep kubelet from removing its directory.
 */
export function detachActions(target: string): readonly MountAction[] {
  return [
    { kind: 'propagation', to: target, propagation: 'rslave' },
    { kind: 'detach', to: target },
  ];
}

/** Takes all of `mounts` away. The later ones may cover the earlier, and those on others go with them. */
export function detachAll(mounts: readonly MountEntry[]): readonly MountAction[] {
  const ids = new Set(mounts.map(({ mountId }) => mountId));
  const lowest = mounts.filter(({ parentId }) => !ids.has(parentId));
  return lowest.reverse().flatMap(({ mountPoint }) => detachActions(mountPoint));
}

/**
 * The options for `remount,bind`, which sets all flags of a mount anew: those it has, less `without`, and
 * `added`.
 */
export function remountOptions(mountOptions: readonly string[], added: string, without?: string): string {
  const flags = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime', 'nosymfollow'];
  const kept = flags.filter((flag) => mountOptions.includes(flag) && flag !== without && flag !== added);
  return [...kept, added].join(',');
}

/** @returns the commands that were run, a line each. @throws MounterError with what the first to fail said. */
export async function applyActions(actions: readonly MountAction[]): Promise<readonly string[]> {
  const done: string[] = [];
  for (const action of actions) {
    const [program, ...args] = commandOf(action);
    await runProgram(program, args);
    done.push([program, ...args.filter((arg) => arg !== '--no-canonicalize')].join(' '));
  }
  return done;
}

/** mount(8) and umount(8) for one action: the program and its arguments. */
export function commandOf(action: MountAction): readonly [program: string, ...args: string[]] {
  switch (action.kind) {
    case 'bind': {
      const propagation = action.propagation === 'private' ? ['--make-private'] : [];
      const how = action.isRecursive ? '--rbind' : '--bind';
      return ['mount', '--no-canonicalize', how, ...propagation, action.from, action.to];
    }
    case 'tmpfs': {
      const options = ['-t', 'tmpfs', '-o', 'mode=0755,nosuid,nodev'];
      return ['mount', '--no-canonicalize', ...options, 'tmpfs', action.to];
    }
    case 'propagation':
      return ['mount', '--no-canonicalize', `--make-${action.propagation}`, action.to];
    case 'remount':
      return ['mount', '--no-canonicalize', '-o', `remount,bind,${action.options}`, action.to];
    case 'detach':
      return ['umount', '--no-canonicalize', '-l', action.to];
    default:
      return action satisfies never;
  }
}
