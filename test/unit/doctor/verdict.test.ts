import test from 'ava';
import { failing, findingsOf, type Judgement, ok, warning } from '../../../src/doctor/finding.ts';
import { judge, type Verdict, verdictWords } from '../../../src/doctor/verdict.ts';

const offered = ['nfs', 'nfs4', 'glusterfs'];
const lacking = (...types: readonly string[]): Judgement => ({
  level: 'lacking',
  subject: 'kernel',
  message: 'has it not',
  hint: 'another kernel',
  types,
});
const fault = (...types: readonly string[]) => failing('x', 'is gone', 'put it back', types);

const cases: readonly (readonly [
  title: string,
  judgements: readonly Judgement[],
  node: Verdict['node'],
  types: string,
  levels: string,
  words: string,
])[] = [
  [
    'nothing to say',
    [ok('x', 'is there'), warning('y', 'is old', 'see')],
    'ready',
    'ready ready ready',
    'ok warning',
    'mounts would work',
  ],
  [
    'what fails all',
    [failing('x', 'is gone', 'see')],
    'failing',
    'failing failing failing',
    'failing',
    'mounts would fail',
  ],
  [
    'what fails one type',
    [fault('nfs')],
    'failing',
    'failing ready ready',
    'failing',
    'mounts of nfs would fail',
  ],
  [
    'what fails no type that is offered',
    [fault()],
    'ready',
    'ready ready ready',
    'warning',
    'mounts would work',
  ],
  [
    'a kernel that lacks some',
    [lacking('nfs', 'nfs4')],
    'ready',
    'lacking lacking ready',
    'warning',
    'mounts would work, but not of nfs, nfs4',
  ],
  [
    'a fault of what the kernel lacks as well',
    [lacking('nfs', 'nfs4'), fault('nfs')],
    'ready',
    'lacking lacking ready',
    'warning warning',
    'mounts would work, but not of nfs, nfs4',
  ],
  [
    'a fault of what the kernel has',
    [lacking('nfs'), fault('nfs', 'glusterfs')],
    'failing',
    'failing ready failing',
    'warning failing',
    'mounts of nfs, glusterfs would fail',
  ],
  [
    'a kernel that lacks all',
    [lacking('nfs', 'nfs4'), lacking('glusterfs'), fault('nfs')],
    'failing',
    'failing failing failing',
    'failing failing failing',
    'mounts would fail',
  ],
];

for (const [title, judgements, node, types, levels, words] of cases) {
  test(title, (t) => {
    const { findings, ...verdict } = judge(findingsOf('x', judgements), offered, false);
    t.is(verdict.node, node);
    t.is(Object.values(verdict.types).join(' '), types);
    t.is(findings.map(({ level }) => level).join(' '), levels);
    t.is(verdictWords(verdict), words);
  });
}

test('turned off: no type is mounted, and a helper that is ours is a fault all the same', (t) => {
  const types = { nfs: 'off', nfs4: 'off', glusterfs: 'off' } as const;
  t.like(judge([], offered, true), { node: 'off', types });
  const verdict = judge(findingsOf('x', [failing('x', 'is ours', 'see')]), offered, true);
  t.like(verdict, { node: 'failing', types });
  t.is(verdictWords(verdict), 'turned off');
});
