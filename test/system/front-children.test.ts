import { copyFileSync } from 'node:fs';
import test from 'ava';
import { frontProgram } from '../support/front/front-program.ts';
import { ScratchNode, shared } from '../support/node/namespace.ts';

/** How the front runs programs, and what ends them: watched by the compiler's sanitizers. */

const cases: readonly (readonly [title: string, step: string, expected: unknown])[] = [
  [
    'the status and both outputs, in the order they came',
    'outputs',
    { status: 7, endedBy: 'itself', output: 'one\ntwo\nthree\n' },
  ],
  ['a child that a signal ended has 128 + its number', 'signals', [143, 137, 139, 141]],
  ['a daemon that keeps stdout open does not keep us', 'daemon', [0, true]],
  ['at the deadline the whole group ends, also who ignores SIGTERM', 'deadline', [137, 'deadline', true]],
  ['of much output the last 64 KiB', 'much', [65536, true]],
  [
    'a program that is not there, or is none',
    'missing',
    [
      ['/bin/nosuch', 2, 'could not be started: ENOENT: No such file or directory'],
      ['/bin', 2, 'could not be started: EACCES: Permission denied'],
    ],
  ],
  ['who ends in time is not asked after', 'inTime', [3, 'itself', 0]],
  ['a watchdog that is confirmed ends the whole group', 'confirmed', ['watchdog', true]],
  [
    'one that is not, or that fails, leaves it alone',
    'denied',
    [
      [5, 'itself'],
      [5, 'itself'],
    ],
  ],
  [
    'who fails meanwhile ends by itself; an answer that is about to come is heard',
    'heard',
    [5, 'itself', true],
  ],
  [
    'whoever ends first, the questions end with it, children and all',
    'questions',
    [
      ['itself', 'interrupt', true],
      ['deadline', 'interrupt', true],
    ],
  ],
];

async function result(node: ScratchNode, step: string): Promise<unknown> {
  copyFileSync(await frontProgram('children'), `${node.sharedDirectory}/children`);
  const environment = { ASAN_OPTIONS: 'detect_leaks=0' };
  const { status, stdout, stderr } = await node.run([`${shared}/children`, step], { environment });
  if (status !== 0 || stderr !== '') throw new Error(`status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

for (const [title, step, expected] of cases) {
  test.serial(title, async (t) => {
    await using node = await ScratchNode.start();
    t.deepEqual(await result(node, step), expected);
  });
}

test.serial(
  'it leads a session and a process group of its own, at / and with nothing of our environment',
  async (t) => {
    await using node = await ScratchNode.start();
    const { output } = (await result(node, 'surroundings')) as { readonly output: string };
    const [ids = '', ...rest] = output.trim().split('\n');
    t.is(new Set(ids.trim().split(/\s+/)).size, 1);
    t.deepEqual(rest, ['/', 'LC_ALL=C', 'MOUNTER_CALLS=helper', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']);
  },
);
