import { shippedManifest } from '../../src/manifest/shipped.ts';
import { parseMountArguments } from '../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../src/mount/arguments/request.ts';
import { planMount } from '../../src/mount/plan.ts';
import type { MountStep } from '../../src/mount/plan-data.ts';
import { describeStep } from '../../src/mount/show.ts';
import { lines, svg } from './svg.ts';

/** The way of a mount, a line for each kind of volume: the steps of the plans that `mounter mount --dry-run` prints. */

const target = '/var/lib/kubelet/pods/1/volumes/v';
const calls = {
  NFSv4: ['-t', 'nfs', '-o', 'vers=4.2', 'server.example:/export', target],
  'NFSv3, with locks': ['-t', 'nfs', '-o', 'vers=3', 'server.example:/export', target],
  'NFS, no version said': ['-t', 'nfs', 'server.example:/export', target],
  GlusterFS: ['-t', 'glusterfs', 'server.example:volume', target],
} as const;

const colours = ['#0072b2', '#d55e00', '#cc79a7', '#009e73'] as const;
const [top, left, between, lane] = [124, 30, 34, 40];

export async function wayPicture(): Promise<string> {
  const ways = await Promise.all(
    Object.values(calls).map(async (argv) => {
      const request = toMountRequest(parseMountArguments(argv));
      return (await planMount(request, shippedManifest())).steps.map(wordsOf);
    }),
  );
  const steps = merged(ways);
  const textX = left + ways.length * lane + 10;
  const height = top + steps.length * between;
  return svg(820, height, 'The steps of a mount', [
    ...ways.map((way, index) => drawnWay(way, index, steps)),
    ...Object.keys(calls).map((name, index) => heading(name, index)),
    ...steps.map((step, index) => lines(textX, top + index * between + 5, [step])),
  ]);
}

/** As `--dry-run` says it, for whatever helper. */
function wordsOf(step: MountStep): string {
  switch (step.kind) {
    case 'checkHelper':
      return describeStep({ ...step, path: 'the helper' });
    case 'runHelper':
      return describeStep({ ...step, argv: ['the helper'] }).replace(
        'run in the rootfs: the',
        'run in the rootfs: its',
      );
    default:
      return describeStep(step);
  }
}

/** All steps, each once, each behind those that are before it on any way. */
function merged(ways: readonly (readonly string[])[]): readonly string[] {
  const steps: string[] = [];
  for (const way of ways)
    for (const [index, step] of way.entries()) {
      if (steps.includes(step)) continue;
      const before = way.slice(0, index).map((one) => steps.indexOf(one));
      steps.splice(Math.max(-1, ...before) + 1, 0, step);
    }
  return steps;
}

function drawnWay(way: readonly string[], index: number, steps: readonly string[]): string {
  const [x, colour] = [left + index * lane, colours[index % colours.length]];
  const places = way.map((step) => top + steps.indexOf(step) * between);
  const stops = places.map((y) => `<circle cx="${x}" cy="${y}" r="6" fill="${colour}"/>`).join('');
  return `<path stroke="${colour}" stroke-width="3" d="M${x} ${top - 22}V${places.at(-1)}"/>${stops}`;
}

/** Slanted: the lines are narrower than their names. */
function heading(name: string, index: number): string {
  const [x, y] = [left + index * lane, top - 30];
  return `<g transform="translate(${x} ${y}) rotate(-35)">${lines(0, 0, [name])}</g>`;
}
