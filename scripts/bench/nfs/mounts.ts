import { execa } from 'execa';
import { home } from '../../../test/support/guest/node.ts';
import { benchDirectory } from '../calls/programs.ts';
import { parseSample, type Subject } from '../report/samples.ts';
import type { NfsBenchNode } from './nodes.ts';
import type { MountSample } from './results.ts';

/** NFSv4.2 mounts by every way there is, each a whole process. */

interface MeasuredMount {
  readonly node: NfsBenchNode;
  readonly subject: Subject;
  readonly argv: readonly string[];
}

/** Measured, and left out: the first runs read files that later ones find in memory. */
const warmUpRounds = 2;

export async function measureMounts(
  source: string,
  nodes: readonly NfsBenchNode[],
  rounds: number,
): Promise<readonly MountSample[]> {
  const mounts = nodes.flatMap((node) => mountsOf(node, source));
  const samples: MountSample[] = [];
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    // Another one is first in each round: what one leaves to the kernel to be done is not always the same one's loss.
    const first = round % mounts.length;
    for (const mount of [...mounts.slice(first), ...mounts.slice(0, first)])
      samples.push({ ...(await measure(mount)), round: round - warmUpRounds });
  }
  return samples.filter(({ round }) => round >= 0);
}

/** The original is entered by chroot, and so is the helper alone, below which nothing can get. */
function mountsOf(node: NfsBenchNode, source: string): readonly MeasuredMount[] {
  const mount = ['mount', '-t', 'nfs', '-o', 'vers=4.2', source, node.target];
  const chroot = ['/usr/sbin/chroot', `${home}/rootfs`];
  const ours: readonly MeasuredMount[] = [
    { node, subject: 'mounter', argv: [`${home}/mounter`, ...mount] },
    { node, subject: 'full', argv: [`${home}/mounter-full`, ...mount] },
  ];
  if (node.enter === 'attach') return ours;
  const helper = ['/sbin/mount.nfs', source, node.target, '-o', 'vers=4.2'];
  return [
    { node, subject: 'helper', argv: [...chroot, ...helper] },
    { node, subject: 'chroot', argv: [...chroot, ...mount] },
    ...ours,
  ];
}

/** measure.c fails where nothing was mounted, and unmounts outside of what it measures. */
async function measure({ node, subject, argv }: MeasuredMount): Promise<MountSample> {
  const [program = '', ...args] = [
    ...node.prefix,
    `${benchDirectory}/measure`,
    '1',
    node.target,
    '--',
    ...argv,
  ];
  const { stdout } = await execa(program, args, { stdin: 'ignore' });
  return { ...parseSample(stdout, [subject]), enter: node.enter };
}
