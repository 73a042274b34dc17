import type { MountHost } from '../host/mount-host.ts';
import type { LockServicesContext } from '../lock-services/lock-services.ts';

/** What the mount path works with. */
export interface MountContext extends LockServicesContext {
  readonly host: MountHost;
  /** Whether a signal has come to end us. */
  readonly isInterrupted: () => boolean;
}
