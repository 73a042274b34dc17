import { detach, mount, mountFlags } from '../../host/mount-calls.ts';
import type { MountAction } from '../mount-actions.ts';

/**
 * Does the actions at once and in this thread's own mount namespace, by mount(2); `applyActions` does them on
 * the host, by mount(8).
 * @throws like node:fs.
 */
export function applyHere(actions: readonly MountAction[]): void {
  for (const action of actions) applyOne(action);
}

function applyOne(action: MountAction): void {
  switch (action.kind) {
    case 'bind':
      mount(action.from, action.to, mountFlags.bind | (action.isRecursive ? mountFlags.recursive : 0));
      if (action.propagation === 'private') mount(undefined, action.to, mountFlags.private);
      break;
    case 'tmpfs': {
      const filesystem = { type: 'tmpfs', data: 'mode=0755' };
      mount('tmpfs', action.to, mountFlags.nosuid | mountFlags.nodev, filesystem);
      break;
    }
    case 'propagation':
      mount(undefined, action.to, propagationFlags[action.propagation]);
      break;
    case 'remount':
      mount(undefined, action.to, mountFlags.remount | mountFlags.bind | flagsOf(action.options));
      break;
    case 'detach':
      detach(action.to);
      break;
    default:
      action satisfies never;
  }
}

type Propagation = Extract<MountAction, { kind: 'propagation' }>['propagation'];

const propagationFlags: Readonly<Record<Propagation, number>> = {
  private: mountFlags.private,
  rprivate: mountFlags.private | mountFlags.recursive,
  rslave: mountFlags.slave | mountFlags.recursive,
  shared: mountFlags.shared,
  rshared: mountFlags.shared | mountFlags.recursive,
  unbindable: mountFlags.unbindable,
};

/** `exec` and `rw` stand for no flag. */
function flagsOf(options: string): number {
  const flags: Readonly<Record<string, number>> = mountFlags;
  return options.split(',').reduce((sum, option) => sum | (flags[option] ?? 0), 0);
}
