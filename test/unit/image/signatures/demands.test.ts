import test from 'ava';
import { demandOf } from '../../../../src/image/signatures/demands.ts';
import type { ImageRule } from '../../../../src/manifest/policy.ts';

function rule(prefix: string, key?: string): ImageRule {
  return key === undefined ? { prefix, require: false } : { prefix, keys: [key], require: true };
}

const rules = [rule('*', '/any'), rule('registry.example/team', '/team'), rule('registry.example/team/open')];

const asked: Readonly<Record<string, readonly string[] | undefined>> = {
  'registry.example/team/tools': ['/team'],
  'registry.example/team': ['/team'],
  'registry.example/teams/tools': ['/any'],
  'registry.example:5000/team/tools': ['/any'],
  'registry.example/team/open': undefined,
  'registry.example/team/open/tools': undefined,
  'registry.example/team/opened': ['/team'],
};
for (const [name, keys] of Object.entries(asked)) {
  test(`${name}: the rule with the longest prefix decides`, (t) => {
    t.deepEqual(demandOf(rules, name)?.keys, keys);
    t.deepEqual(demandOf(rules.toReversed(), name)?.keys, keys);
  });
}

const spelled: readonly (readonly [prefix: string, repository: string])[] = [
  ['registry.example/team', 'Registry.EXAMPLE/team/tools'],
  ['registry.example/team', 'registry.example:443/team/tools'],
  ['Registry.Example:443/team/', 'registry.example/team/tools'],
  ['10.0.0.5:5000', '0xa.5:5000/team/tools'],
  ['[fd00::5]', '[FD00:0:0::5]/team/tools'],
  ['docker.io/team', 'index.docker.io/team/tools'],
  ['registry-1.docker.io/team', 'docker.io/team/tools'],
  ['docker.io/team', 'registry.hub.docker.com/team/tools'],
  ['docker.io/tools', 'docker.io/library/tools'],
  ['index.docker.io/tools/', 'docker.io/library/tools'],
  ['docker.io/library/tools', 'registry-1.docker.io/tools'],
  ['docker.io/library', 'index.docker.io/tools'],
];
for (const [prefix, repository] of spelled)
  test(`${repository} is one of ${prefix}, however its registry is spelled`, (t) => {
    const others = [rule('*'), rule('other.example/a/long/name/of/another', '/other')];
    t.deepEqual(demandOf([...others, rule(prefix, '/key')], repository)?.keys, ['/key']);
  });

test('docker.io/NAME is longer than docker.io/library', (t) => {
  const both = [rule('docker.io/library', '/library'), rule('docker.io/tools', '/tools')];
  for (const name of ['docker.io/library/tools', 'index.docker.io/tools'])
    t.deepEqual(demandOf(both, name)?.keys, ['/tools']);
  t.deepEqual(demandOf(both, 'docker.io/library/other')?.keys, ['/library']);
  t.is(demandOf(both, 'docker.io/other/tools'), undefined);
});

test('a name that no rule fits needs no signature', (t) => {
  t.is(demandOf([rule('registry.example', '/key')], 'other.example/tools'), undefined);
});

test('a file needs a signature as soon as any rule asks for one, whatever others leave out', (t) => {
  t.deepEqual(demandOf(rules, undefined)?.keys, ['/any', '/team']);
  t.deepEqual(demandOf([rule('*'), rule('registry.example', '/key')], undefined)?.keys, ['/key']);
  t.is(demandOf([rule('*')], undefined), undefined);
});
