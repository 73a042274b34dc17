import type { NodeSettings } from '../../../manifest/manifest.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountPlan } from '../../plan.ts';

/** Where a glusterfs daemon writes its log, as the rootfs names it: glusterfs(8), unless `log-file=` names another. */
export function logFileOf({ target, options }: Pick<MountPlan, 'target' | 'options'>): string {
  const given = lastOption(parseOptions(options), 'log-file')?.value;
  return given?.startsWith('/') ? given : `/var/log/glusterfs/${target.slice(1).replaceAll('/', '-')}.log`;
}

/** The same on the host. */
export function logFileOnHost(
  plan: Pick<MountPlan, 'target' | 'options'>,
  { mounts }: Pick<NodeSettings, 'mounts'>,
): string {
  const path = logFileOf(plan);
  const mount = mounts.mounter.find(({ rootfs }) => path.startsWith(`${rootfs}/`));
  return mount?.host === undefined ? path : `${mount.host}${path.slice(mount.rootfs.length)}`;
}
