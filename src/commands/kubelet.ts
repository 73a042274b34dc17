import { printable, printableLines } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { defaultKubeletRoot } from '../kubelet/image-directory.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand, type FlagTable } from './command.ts';
import { badFlag } from './flags.ts';

/** `mounter unit kubelet` has these flags too, and writes them into its unit. */
export const viewFlags = {
  '--rootfs DIR': `the image; ${defaultKubeletRoot} if left out`,
  '--root-dir DIR': `the kubelet directory, when it is another than the settings have. A --root-dir among FLAGS says the same; the
    image's own command is given it, a COMMAND is not`,
  '--host-root PATH[:slave|shared]': `the host's / once more, at PATH, a directory of the host's, with all its own programs. With shared, what the
    kubelet mounts there appears on the host; slave if left out`,
} as const satisfies FlagTable;

export const kubelet = defineCommand({
  name: 'kubelet',
  summary: 'run a kubelet in an image, with the host around it',
  program: '[COMMAND] FLAGS…',
  flags: {
    ...viewFlags,
    '--dry-run': 'print what would be mounted and run',
    '--json': 'with --dry-run: for programs',
    '-v, --verbose': 'say on stderr what is mounted, and what is left out',
  },
  manual: [
    `Runs a kubelet in an image that mounter install IMAGE --into DIR has extracted: in a mount namespace of its own it
    sees the host's root directory, with the image's programs and libraries laid over the host's. The kubelet directory
    is shared, so that all it mounts there appears on the host. Becomes COMMAND: same process, environment, descriptors,
    signals. Without COMMAND, FLAGS are for the command that the image names. What the image sets (PATH and others)
    counts where the caller's environment has no such variable; COMMAND is looked up in the image's PATH first.`,
    `mounter teardown undoes what was done on the host; not while the kubelet runs.
    Exit status: the kubelet's own; 126 or 127 when it cannot be run.`,
  ],
  examples: [
    'mounter install registry.example/kubelet:v1.36.0 --into /opt/kubelet/v1.36.0',
    'mounter kubelet --rootfs /opt/kubelet/v1.36.0 -- --config=/etc/kubernetes/kubelet.yaml',
    'mounter kubelet --rootfs /opt/kubelet/v1.36.0 --dry-run -- /usr/bin/kubelet --config=/etc/kubernetes/kubelet.yaml',
  ],
  run: async (flags, { host, layout, output }) => {
    const isDry = flags.has('dry-run');
    if (flags.has('json') && !isDry)
      throw badFlag(
        'json',
        'goes with --dry-run alone: the kubelet has the output otherwise',
        'mounter kubelet --dry-run --json -- …',
      );
    if (!isDry) requireRoot(host, 'running a kubelet in a rootfs');
    const { chooseKubelet, startKubelet } = await import('../kubelet/start.ts');
    const [rootfs, rootDirectory] = [flags.value('rootfs') ?? defaultKubeletRoot, flags.value('root-dir')];
    const request = { rootfs, rootDirectory, hostRoot: flags.value('host-root'), words: flags.program ?? [] };
    const chosen = await chooseKubelet(request, { host, layout });
    if (isDry) {
      const { describeStart, startAsJson } = await import('../kubelet/show.ts');
      output.out(flags.has('json') ? startAsJson(chosen, host) : printableLines(describeStart(chosen, host)));
      return exitCode.success;
    }
    const say = (lines: readonly string[]) => {
      if (flags.has('verbose')) output.err(lines.map((line) => `mounter: ${printable(line)}\n`).join(''));
    };
    return await startKubelet(chosen, host, say);
  },
});
