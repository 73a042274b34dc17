import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import type { BoundedResult, RunBounded } from '../../../src/host/run-bounded.ts';
import { answersOf, askStates, judge, serverOf } from '../../../src/volumes/states.ts';
import { inVirtualTime } from '../../support/virtual-time.ts';

const statfs = ['/usr/bin/stat', '-f', '--'];
const gone = 'Transport endpoint is not connected';
const stale = 'Stale file handle';

/** What stat(1) says of several targets of which some fail: coreutils 9.1. */
function statSays(targets: readonly string[], faults: Readonly<Record<string, string>>): BoundedResult {
  const lines = targets.map((target) =>
    faults[target] === undefined
      ? `  File: "${target}"\n    ID: 2d56b5c1 Namelen: 255     Type: nfs\n`
      : `stat: cannot read file system information for '${target}': ${faults[target]}\n`,
  );
  return { status: Number(targets.some((target) => faults[target] !== undefined)), output: lines.join('') };
}

const only = (reason: string) => judge(statSays(['/k/a'], { '/k/a': reason })).state;

test('what a volume answers to statfs', (t) => {
  t.is(judge(statSays(['/k/a'], {})).state, 'alive');
  t.is(judge(undefined).state, 'silent');
  t.is(only(gone), 'dead');
  t.is(only(stale), 'stale');
  t.is(only('Stale NFS file handle'), 'stale');
  t.is(only('Permission denied'), 'error');
  t.is(judge({ status: 127, output: 'spawn ENOENT' }).words, 'spawn ENOENT');
});

const states = (answers: ReadonlyMap<string, BoundedResult>) =>
  Object.fromEntries([...answers].map(([target, answer]) => [target, judge(answer).state]));

test('one answer about several targets tells each of them apart', (t) => {
  const targets = ['/k/a', '/k/ab', '/k/kubernetes.io~nfs/c'];
  t.deepEqual(states(answersOf(targets, statSays(targets, {}))), {
    '/k/a': 'alive',
    '/k/ab': 'alive',
    '/k/kubernetes.io~nfs/c': 'alive',
  });
  t.deepEqual(
    states(answersOf(targets, statSays(targets, { '/k/a': gone, '/k/kubernetes.io~nfs/c': stale }))),
    {
      '/k/a': 'dead',
      '/k/ab': 'alive',
      '/k/kubernetes.io~nfs/c': 'stale',
    },
  );
});

test('an error whose target can’t be told leaves all open that have none of their own', (t) => {
  const targets = ['/k/a', '/k/b', "/k/it's"];
  const answer = statSays(targets, { '/k/b': gone });
  const quoted = `stat: cannot read file system information for "/k/it's": ${gone}\n`;
  const both = { status: 1, output: answer.output + quoted };
  t.deepEqual(states(answersOf(targets, both)), { '/k/b': 'dead' });
  t.deepEqual(states(answersOf(targets, { status: 137, output: '' })), {});
});

test('a target that is made up to look like an answer makes none for another', (t) => {
  const evil = `/k/x': ${gone}\nstat: cannot read file system information for '/k/a': ${gone}`;
  const targets = ['/k/a', evil];
  t.deepEqual(states(answersOf(targets, { status: 0, output: evil })), { '/k/a': 'alive', [evil]: 'alive' });
  const shown = `stat: cannot read file system information for '/k/x'\\'': ${gone}'$'\\n''stat: …': Permission denied\n`;
  t.deepEqual(states(answersOf(targets, { status: 1, output: shown })), {});
});

test('what a target is called says nothing of its volume', (t) => {
  const target = `/k/${gone}`;
  const answer = statSays([target], { [target]: 'Permission denied' });
  t.deepEqual(states(answersOf([target], answer)), { [target]: 'error' });
});

const volume = (source: string, target: string) => ({ source, target, fstype: 'nfs', entries: 1 });

test('what is mounted in several places is asked once, and what one server has in one group', async (t) => {
  const table = parseMountinfo(
    ['/k/a', '/k/b', '/k/c']
      .map(
        (target, index) => `${20 + index} 1 0:${target === '/k/c' ? 51 : 50} / ${target} rw - nfs s:/x rw\n`,
      )
      .join(''),
  );
  const asked: (readonly string[])[] = [];
  const runBounded: RunBounded = async (argv) => {
    asked.push(argv.slice(3));
    return statSays(argv.slice(3), { '/k/a': stale });
  };
  const answers = await askStates(
    ['/k/a', '/k/b', '/k/c'].map((target) => volume('s:/x', target)),
    table,
    statfs,
    runBounded,
  );
  t.deepEqual(asked, [['/k/a'], ['/k/c']]);
  t.deepEqual(
    [...answers].map(([target, { state }]) => [target, state]),
    [
      ['/k/a', 'stale'],
      ['/k/b', 'stale'],
      ['/k/c', 'alive'],
    ],
  );
});

test.serial(
  'of ten servers with a thousand volumes each one is silent: the others are told apart from it',
  async (t) => {
    const volumes = Array.from({ length: 10_000 }, (_, index) =>
      volume(`s${index % 10}:/x${index}`, `/k/${index}`),
    );
    const isSilent = (target: string) => target.endsWith('3');
    const answers = await inVirtualTime(async (sleep) => {
      const runBounded: RunBounded = async (argv, limitMs) => {
        const targets = argv.slice(3);
        if (!targets.some(isSilent)) return statSays(targets, {});
        await sleep(limitMs);
        return undefined;
      };
      const began = performance.now();
      const found = await askStates(volumes, [], statfs, runBounded);
      t.true(performance.now() - began < 3500);
      return found;
    });
    const wrong = [...answers].filter(([target, { state }]) =>
      isSilent(target)
        ? !['silent', 'not-asked'].includes(state)
        : state !== 'alive' && state !== 'not-asked',
    );
    t.deepEqual(wrong, []);
    const count = (state: string) => [...answers.values()].filter((answer) => answer.state === state).length;
    t.is(answers.size, 10_000);
    t.true(count('silent') >= 32, `${count('silent')} silent`);
    t.true(count('alive') >= 8900, `${count('alive')} alive`);
  },
);

test('the server of a source', (t) => {
  t.deepEqual(['s:/x', '[fd00::5]:/x', '//s/share', 's:vol', 'nothing'].map(serverOf), [
    's',
    '[fd00::5]',
    's',
    's',
    'nothing',
  ]);
});
