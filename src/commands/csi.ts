import { hostname } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import type { RunningDriver } from '../csi/driver.ts';
import { describeError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { asMounterError } from '../host/system-error.ts';
import { requireRoot } from '../node/node.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { badFlag } from './flags.ts';

/** Of the CSI driver, where nothing else is said. */
export const defaultDriver = 'containerized-mounter.csi';

export const csi = defineCommand({
  name: 'csi',
  summary: 'the CSI driver of this node: NFS and GlusterFS volumes for any kubelet',
  flags: {
    '--name NAMES': {
      text: 'of the driver, as a PV has it; several, with commas, to take volumes over: nfs.csi.k8s.io',
      default: defaultDriver,
    },
  },
  manual: [
    `Serves the CSI specification, Identity and Node, at plugins/NAME/csi.sock below kubelet's directory, and registers
    itself with that kubelet. The node's name is NODE_NAME of the environment, or its host name. A volume is mounted
    once on the node, by mounter mount, and shown to each Pod. The mounts do not depend on it: it may be ended, and
    started again, at any time.`,
    `volumeAttributes of a PV: type (nfs or glusterfs), server, share or volume, subDir, and mountOptions, which an inline
    volume has here alone. Those of csi-driver-nfs are understood. A volume that is inline in a Pod is refused unless a
    rule of policy.sources has "inline": true for it.`,
  ],
  examples: ['mounter csi', 'mounter csi --name containerized-mounter.csi,nfs.csi.k8s.io'],
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'serving volumes');
    const ended = new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    });
    const driver = await startNamed('name', flags.value('name'), { layout, output });
    await ended;
    driver.close();
    return exitCode.success;
  },
});

/**
 * @param flag that the names are from.
 * @param names with commas between them.
 * @throws MounterError (usage) for what cannot be one; (system) as `startDriver`.
 */
export async function startNamed(
  flag: string,
  names: string,
  { layout, output }: Pick<CommandContext, 'layout' | 'output'>,
): Promise<RunningDriver> {
  const { startDriver } = await import('../csi/driver.ts');
  const { nodeHost } = await import('../csi/node-host.ts');
  return startDriver({
    names: driverNames(flag, names),
    version: packageJson.version,
    nodeId: process.env.NODE_NAME ?? hostname(),
    layout,
    host: nodeHost(layout),
    output,
  });
}

/**
 * The same where all else goes on without it: what it cannot be started for now, such as a directory of kubelet's that is
 * not there yet, is what it waits for, and it is tried again whenever that is asked.
 */
export async function startInTime(start: () => Promise<RunningDriver>): Promise<{
  lacks(): Promise<string | undefined>;
  close(): void;
}> {
  let driver: RunningDriver | undefined;
  const attempt = async (): Promise<string | undefined> => {
    try {
      driver = await start();
      return undefined;
    } catch (error) {
      const known = asMounterError(error);
      if (known.status !== exitCode.system) throw error;
      return describeError(known);
    }
  };
  await attempt();
  return {
    lacks: async () => (driver === undefined ? await attempt() : undefined) ?? driver?.lacks(),
    close: () => driver?.close(),
  };
}

/** The CSI specification takes capitals too; Kubernetes takes none for a CSIDriver: a DNS subdomain of RFC 1123. */
const driverName = /^(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** @param flag that they are from. @throws MounterError (usage) */
export function driverNames(flag: string, text: string): readonly string[] {
  const names = [...new Set(text.split(','))];
  const wrong = names.find((name) => !driverName.test(name));
  if (wrong === undefined) return names;
  const hint = `as a CSIDriver is named: small letters, digits and "-", with "." between such words, at most 63 in all; --${flag} nfs.csi.k8s.io; commas between several`;
  throw badFlag(flag, `"${wrong}" is no name of a driver`, hint);
}
