import type { MountHost } from '../host/mount-host.ts';
import type { LockServicesContext } from '../lock-services/lock-services.ts';
import type { MountStep } from './plan.ts';

/** What the mount path works with. */
export interface MountContext extends LockServicesContext {
  /** Told of each step before it is done; for `-v`. */
  readonly report: (step: MountStep) => void;
  readonly host: MountHost;
  /** Whether a signal has come to end us. */
  readonly isInterrupted: () => boolean;
}
