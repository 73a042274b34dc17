import test, { type ExecutionContext } from 'ava';
import {
  isAlive,
  kindsHere,
  leftOnce,
  type MountedKind,
  mountedOn,
  mountWords,
  ScratchPlace,
  sharedPlace,
  standInNfs,
  targetFor,
} from '../support/callers/mounting-place.ts';
import { everyNth } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { installedMounter } from '../support/node/namespace.ts';
import type { NodeRemains } from '../support/node/remains.ts';
import { programIn } from '../support/programs/test-program.ts';

/** Callers as they are: what a call inherits from them keeps no mount from being made, nor a failure from being told. */

interface OddCaller {
  readonly title: string;
  /** Bash, before `"$@"`, the call. */
  readonly script: string;
  /** Nobody can read what the call says. */
  readonly isMute?: true;
  /** There may be too little to mount with; then a line says so. */
  readonly mayFail?: true;
}

const closedDescriptors = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]].map(
  (closed): OddCaller => ({
    title: `descriptors ${closed.join(', ')} closed`,
    script: `exec ${closed.map((fd) => (fd === 0 ? '0<&-' : `${fd}>&-`)).join(' ')}; exec "$@"`,
    ...(closed.includes(2) ? { isMute: true } : {}),
  }),
);

const fewDescriptors = [10, 11, 12, 13, 14, 15, 16, 18, 20, 25, 30].map(
  (count): OddCaller => ({
    title: `a limit of ${count} open files`,
    script: `ulimit -n ${count}; exec "$@"`,
    mayFail: true,
  }),
);

const oddCallers: readonly OddCaller[] = [
  { title: 'SIGCHLD ignored', script: 'exec env --ignore-signal=CHLD "$@"' },
  {
    title: 'SIGTERM, SIGPIPE and SIGXFSZ ignored',
    script: 'exec env --ignore-signal=TERM --ignore-signal=PIPE --ignore-signal=XFSZ "$@"',
  },
  { title: 'every signal ignored', script: 'exec env --ignore-signal "$@"' },
  { title: 'every signal blocked', script: 'exec env --block-signal "$@"' },
  ...closedDescriptors,
  {
    title: '60 descriptors left open',
    script: 'for n in {10..70}; do eval "exec $n</dev/null"; done; exec "$@"',
  },
  { title: 'a limit of 0 on the size of files', script: 'ulimit -S -f 0; exec "$@"' },
  { title: 'a limit of 1 process', script: 'ulimit -Su 1; exec "$@"' },
  { title: 'cores of any size', script: 'ulimit -c unlimited; exec "$@"' },
  ...fewDescriptors,
  { title: 'argv[0] empty', script: `shift; exec -a '' ${installedMounter} "$@"` },
  {
    title: 'an environment of 1.5 MB',
    script:
      'printf -v long "%100000s" ""; for n in {1..15}; do export "V$n=$long"; done; ulimit -s unlimited; exec "$@"',
  },
  { title: 'a umask of 0777', script: 'umask 0777; exec "$@"' },
  {
    title: 'a directory that is removed',
    script: 'mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; exec "$@"',
  },
  { title: 'the lowest priority', script: 'exec nice -n 19 ionice -c 3 "$@"' },
  { title: 'the first to be killed when memory is out', script: 'exec choom -n 1000 -- "$@"' },
  { title: 'no new privileges', script: 'exec setpriv --no-new-privs "$@"' },
  { title: 'stdin a pipe that nobody writes to any more', script: ': | "$@"' },
  { title: 'a session of its own', script: 'exec setsid --wait "$@"' },
];

/** A call takes much less, but for one of the lowest priority where all is busy; one that waits for its deadline, more. */
const maximumMs = 90_000;
const failed: Readonly<Record<MountedKind['fstype'], number>> = { nfs: 32, glusterfs: 1 };

for (const enter of enterModes) {
  for (const kind of kindsHere) {
    const shared = sharedPlace(test, kind, enter);
    // Each with each type, and in one of the two ways.
    const first = (enter === 'attach') === (kind.fstype === 'nfs') ? 0 : 1;
    for (const odd of everyNth(2, oddCallers, first)) {
      test.serial(`${enter}, ${kind.fstype}, ${odd.title}: mounts as always, fails as always`, async (t) => {
        t.timeout(600_000);
        const { place, before } = await shared();
        await mounts(t, place, before, odd);
        await fails(t, place, before, odd);
      });
    }
  }
}

async function mounts(
  t: ExecutionContext,
  place: ScratchPlace,
  before: NodeRemains,
  odd: OddCaller,
): Promise<void> {
  const { kind } = place;
  const [target, [source]] = [targetFor(kind), kind.sources];
  const { status, output, milliseconds } = await call(place, odd, kind.options('succeeds') ?? '');
  const mounted = mountedOn(place, target);
  if (status === 0) {
    t.deepEqual(mounted, Array(place.entriesPerVolume).fill(source));
    t.true(await isAlive(place, target));
    await place.run(['umount', target]);
  } else {
    t.true(odd.mayFail, `status ${status}: ${output}`);
    t.regex(output, /^mounter: (?!internal error).+\n(.*\n)*hint: .+\n$/);
    t.deepEqual(mounted, []);
  }
  t.true(milliseconds < maximumMs, `${milliseconds} ms`);
  t.deepEqual(await leftOnce(place, before), []);
}

async function fails(
  t: ExecutionContext,
  place: ScratchPlace,
  before: NodeRemains,
  odd: OddCaller,
): Promise<void> {
  const { kind } = place;
  const { status, output, milliseconds } = await call(place, odd, kind.options('fails') ?? '');
  if (odd.mayFail) t.not(status, 0);
  else t.is(status, failed[kind.fstype], output);
  if (!odd.isMute) t.regex(output, /^mounter: (?!internal error)/);
  t.deepEqual(mountedOn(place, targetFor(kind)), []);
  t.true(milliseconds < maximumMs, `${milliseconds} ms`);
  t.deepEqual(await leftOnce(place, before), []);
}

async function call(place: ScratchPlace, { script }: OddCaller, options: string) {
  const { kind } = place;
  const words = mountWords(kind, kind.sources[0], options, targetFor(kind));
  const started = performance.now();
  // One that hangs is ended before its own limit.
  const limit = ['timeout', '--foreground', '-s', 'KILL', '60'];
  const { status, stdout, stderr } = await place.run([...limit, 'bash', '-c', script, 'bash', ...words]);
  return { status, output: stdout + stderr, milliseconds: performance.now() - started };
}

test.serial('without any argument, not even a name: how it is used', async (t) => {
  await using place = await ScratchPlace.start(standInNfs, 'chroot');
  const program = await programIn(place.node, 'no-arguments');
  const { status, stderr } = await place.run([program, installedMounter]);
  t.is(status, 1, stderr);
  t.regex(stderr, /^mounter: no command\nhint: /);
});
