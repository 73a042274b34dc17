import type { LockServicesContext } from '../rootfs/lock-services.ts';
import type { MountStep } from './plan.ts';

/** What the mount path works with. */
export interface MountContext extends LockServicesContext {
  /** Told of each step before it is done; for `-v`. */
  readonly report: (step: MountStep) => void;
}
