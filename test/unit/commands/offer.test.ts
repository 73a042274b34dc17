import test from 'ava';
import { offerFor, offerText } from '../../../src/commands/completion/offer.ts';
import { commands } from '../../../src/commands/table.ts';
import { layoutOf } from '../../../src/node/layout.ts';

const layout = layoutOf('/nonexistent');
const offered = (...words: readonly string[]) => offerFor(words, commands, layout);
const words = (...given: readonly string[]) => offered(...given).words.map(([word]) => word);

test('the first word is a command, with what it does', (t) => {
  for (const { name, summary } of commands)
    t.true(offered('').words.some(([w, s]) => w === name && s === summary));
  t.deepEqual(words('roll'), ['rollback']);
  t.deepEqual(words('--v'), ['--version']);
});

test('a flag is offered where one begins, with what it means; its value where one stands', (t) => {
  t.deepEqual(words('install', '--h'), ['--home', '--helpers', '--help']);
  t.deepEqual(words('install', '--platform', 'linux/'), ['linux/amd64', 'linux/arm64']);
  t.deepEqual(words('install', '--platform=linux/a'), ['--platform=linux/amd64', '--platform=linux/arm64']);
  t.deepEqual(words('manifest', 'cloud-init', '--executable', 'ar'), ['arm64=']);
  t.deepEqual(words('manifest', 'csi', '--enabled', ''), ['true', 'false']);
  t.deepEqual(offered('install', '--mirror', ''), { words: [] });
  t.deepEqual(offered('log', '-n', ''), { words: [] });
});

test('what is for other parts of the mounter alone is not offered', (t) => {
  t.false(words('completion', '--').includes('--offer'));
  t.false(words('status', '--').includes('--checked-settings'));
});

test('an operand is offered by its place, whatever flags stand before', (t) => {
  t.is(offered('install', '').paths, 'files');
  t.is(offered('install', '--digest', 'sha256:1', '--no-switch', '').paths, 'files');
  t.is(offered('install', 'a.tar', '').paths, undefined);
  t.is(offered('mount', '-t', 'nfs', 'server:/x', '').paths, 'directories');
  t.is(offered('mount', '-t', 'nfs', '-o', 'ro', '').paths, undefined);
  t.deepEqual(words('help', 'manifest', 'cs'), ['csi']);
  t.deepEqual(words('completion', ''), ['bash', 'zsh', 'fish']);
});

test('behind -- stand files, for another program', (t) => {
  t.is(offered('exec', '--', 'ls', '').paths, 'files');
  t.is(offered('kubelet', '--rootfs', '/x', '--', '').paths, 'files');
});

test('each offer is one line', (t) => {
  const all = offerText(offered('')).trimEnd().split('\n');
  t.is(all.length, offered('').words.length);
  for (const line of all) t.regex(line, /^\S+\t[^\t]*$/);
  t.is(offerText({ words: [], paths: 'directories' }), ':directories\n');
});
