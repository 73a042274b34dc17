import test from 'ava';
import { nearest } from '../../src/nearest.ts';

const commands = ['mount', 'install', 'prepare', 'teardown', 'status', 'doctor', 'exec', 'kubelet', 'unit'];

for (const [word, expected] of [
  ['mount', 'mount'],
  ['muont', 'mount'],
  ['mnt', 'mount'],
  ['stat', 'status'],
  ['instal', 'install'],
  ['docter', 'doctor'],
  ['tear-down', 'teardown'],
  ['MOUNT', 'mount'],
  ['frobnicate', undefined],
  ['', undefined],
  ['x'.repeat(100_000), undefined],
] as const) {
  test(`the command nearest to '${word.slice(0, 20)}' is ${expected ?? 'none'}`, (t) => {
    t.is(nearest(word, commands), expected);
  });
}

test('a swap of two neighbours is nearer than two replacements', (t) => {
  t.is(nearest('ba', ['ab']), 'ab');
  t.is(nearest('cd', ['ab']), undefined);
});

test('the first of equally near candidates wins', (t) => {
  t.is(nearest('vers3', ['vers4', 'vers5']), 'vers4');
});

test('a candidate of one letter is not near to nothing, and nothing is near to no candidates', (t) => {
  t.is(nearest('', ['x']), undefined);
  t.is(nearest('mount', []), undefined);
});
