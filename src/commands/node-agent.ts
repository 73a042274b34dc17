import { exitCode } from '../exit-codes.ts';
import { usualMetricsFile } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';
import { startInTime, startNamed } from './csi.ts';
import { badFlag } from './flags.ts';
import { plainPath } from './manifest-flags.ts';

export const nodeAgent = defineCommand({
  name: 'node-agent',
  summary: "what the DaemonSet's container runs",
  flags: {
    '--interval SECONDS': {
      text: 'after so long all of it is done again, whatever the node looks like',
      default: '600',
    },
    '--helpers': 'place mount.nfs and the like too',
    '--csi NAMES': 'serve CSI as well, under these names: see mounter csi',
    '--metrics FILE': `on the node, for node-exporter's textfile collector: written each minute, or 10 times in the
      interval; taken away where the gate is at removed`,
    '--once': 'one round; its status',
  },
  manual: [
    `What the container of mounter manifest daemonset runs: on its node, in the host's namespaces, it installs the tools
    that its image holds, prepares the node, and asks mounter status. It looks every 5 s whether the node is still so,
    which starts no program, asks mounter status each minute, and does all of it again where the node is not so, and
    every 600 s; each time all of the rootfs is read, and mended. What it says last is what the readiness probe says:
    the verdict of mounter doctor; it begins with what fails.`,
    `The gate is /etc/containerized-mounter-gate/state: on, off, or removed; it comes before all else. Settings are read
    from /etc/containerized-mounter/settings.json: enabled, enter, limits, policy, resolver and log, as
    rootfs-manifest.json has them, such as {"limits": {"mountSeconds": 60}}, {"filesystems": {"nfs": null}} for a type
    that no node offers, and {"filesystems": {"nfs": {"readAheadKib": 4096}}}. Where either is not valid, the node stays as it is, and is not ready.`,
  ],
  examples: ['mounter node-agent --once'],
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'setting a node up');
    const intervalMs = intervalSeconds(flags.value('interval')) * 1000;
    const metrics = metricsFile(flags.value('metrics'));
    const { keepNode, reporter, requireContainer, runOnce } = await import('../node-agent/keep.ts');
    requireContainer();
    const { onHost } = await import('../node-agent/on-host.ts');
    const end = new AbortController();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end.abort());
    const names = flags.value('csi');
    const driver =
      names === undefined ? undefined : await startInTime(() => startNamed('csi', names, { layout, output }));
    const context = {
      layout,
      helpers: flags.has('helpers'),
      metricsFile: metrics,
      call: onHost(layout),
      report: reporter(output),
      lacks: async () => driver?.lacks(),
    };
    try {
      if (!flags.has('once')) await keepNode(context, intervalMs, output, end.signal);
      else if (!(await runOnce(context, output, end.signal))) return exitCode.system;
      return exitCode.success;
    } finally {
      driver?.close();
    }
  },
});

/** The host's, and this container's working directory is none of the host's. */
function metricsFile(word: string | undefined): string | undefined {
  return word === undefined ? undefined : plainPath('metrics', word, usualMetricsFile);
}

function intervalSeconds(word: string): number {
  if (/^[1-9]\d{0,4}$/.test(word)) return Number(word);
  throw badFlag('interval', `${word} is no number of seconds from 1 to 99999`, 'such as --interval 600');
}
