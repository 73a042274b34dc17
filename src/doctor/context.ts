import type { Host } from '../host/host.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import type { RunBounded } from '../host/run-bounded.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { NodeContext } from '../node/node.ts';

/** What the checks work with: a node with a rootfs and a manifest, looked at once. */
export interface DoctorContext extends NodeContext {
  /** Its `processes` are the daemons that a mount uses, and no others. */
  readonly host: Host;
  /** Its `enter` is the way that mounts go now. */
  readonly manifest: Manifest;
  /** `versions/<digest>` in use, without symlinks. */
  readonly root: string;
  /** The mounts when the examination began. */
  readonly entries: readonly MountEntry[];
  /** For every question to what can hang. */
  readonly runBounded: RunBounded;
}
