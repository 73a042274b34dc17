import type { MountHost } from '../host/mount-host.ts';
import type { ServicesContext } from '../services/provide.ts';

/** What the mount path works with. */
export interface MountContext extends ServicesContext {
  readonly host: MountHost;
  /** Whether a signal has come to end us. */
  readonly isInterrupted: () => boolean;
}
