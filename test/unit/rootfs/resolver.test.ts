import test from 'ava';
import type { NodeSettings } from '../../../src/manifest/manifest.ts';
import { mergeResolvConf } from '../../../src/resolver/merge.ts';
import { refreshResolvConf, refreshResolvConfIfPossible } from '../../../src/resolver/refresh.ts';
import { formatResolvConf, parseResolvConf } from '../../../src/resolver/resolv-conf.ts';
import { lacksKubelet } from '../../../src/resolver/rootfs-resolv-conf.ts';
import { HostModel } from '../../support/model/host-model.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

const none = parseResolvConf('');
const root = layout.rootfs;
const path = `${root}/etc/resolv.conf`;
const merge = { mode: 'merge' as const, nameservers: ['10.96.0.10'], searches: ['svc.cluster.local'] };
const keep = { mode: 'kubelet' as const, nameservers: [], searches: [] };

/** A node with these files; `undefined` for none. */
function nodeWith(hostText: string | undefined, current: string | undefined): HostModel {
  const host = new HostModel();
  if (hostText !== undefined) write(host, '/etc/resolv.conf', hostText);
  if (current !== undefined) write(host, path, current);
  return host;
}

function write(host: HostModel, file: string, text: string): void {
  host.texts.set(file, text);
  host.file(file, { size: text.length });
}

const refresh = (host: HostModel, resolver: NodeSettings['resolver']) =>
  refreshResolvConf(root, { host, manifest: { ...manifest, resolver } });

/** What a resolver reads in it. */
const readBack = (host: HostModel) => parseResolvConf(host.texts.get(path) ?? '');

test('parse: as glibc reads it', (t) => {
  const text =
    '; c\n# c\nnameserver 1.1.1.1 trailing\n nameserver 6.6.6.6\nnameserver\t2.2.2.2\r\ndomain d.example\nsearch a b\noptions ndots:5\noptions edns0\nsortlist 130.155.160.0\n';
  t.deepEqual(parseResolvConf(text), {
    nameservers: ['1.1.1.1', '2.2.2.2'],
    searches: ['a', 'b'],
    options: ['ndots:5', 'edns0'],
    others: ['sortlist 130.155.160.0'],
  });
  t.deepEqual(parseResolvConf('search a\ndomain b c').searches, ['b'], 'the last one counts');
});

test('what is formatted is parsed back, whatever it was', (t) => {
  const words = [
    'nameserver',
    'search',
    'options',
    'domain',
    '1.1.1.1',
    'a.b',
    'ndots:5',
    '#',
    ';',
    '\n',
    ' ',
    '\t',
    'x',
  ];
  for (let seed = 1; seed <= 500; seed += 1) {
    const text = Array.from({ length: 30 }, (_, i) => words[(seed * 31 + i * i * seed) % words.length]).join(
      '',
    );
    const parsed = parseResolvConf(text);
    t.deepEqual(parseResolvConf(formatResolvConf(parsed)), parsed);
  }
});

test('merge: in order, nothing twice, three name servers, and what is left out is named', (t) => {
  const { merged, dropped } = mergeResolvConf(
    { ...none, nameservers: ['10.96.0.10'], searches: ['svc.cluster.local'] },
    { ...none, nameservers: ['10.96.0.10', '10.96.0.11'], searches: ['example.com'] },
    parseResolvConf(
      'nameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch example.com a.b\noptions ndots:2 edns0\n',
    ),
  );
  t.deepEqual(merged, {
    nameservers: ['10.96.0.10', '10.96.0.11', '1.1.1.1'],
    searches: ['svc.cluster.local', 'example.com', 'a.b'],
    options: ['ndots:2', 'edns0'],
    others: [],
  });
  t.deepEqual(dropped, ['nameserver 2.2.2.2 (glibc reads 3)']);
});

test('merge: rotate would ask the host before the cluster', (t) => {
  const rotating = parseResolvConf('nameserver 1.1.1.1\noptions rotate timeout:1\n');
  t.deepEqual(mergeResolvConf({ ...none, nameservers: ['10.96.0.10'] }, rotating).merged.options, [
    'timeout:1',
  ]);
  t.deepEqual(mergeResolvConf(none, rotating).merged.options, ['rotate', 'timeout:1']);
});

test('merge: a search list too long ends before the first domain that does not fit', (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `d${i}`);
  t.is(mergeResolvConf({ ...none, searches: many }).merged.searches.length, 32);
  const long = Array.from({ length: 20 }, (_, i) => `${i}.${'x'.repeat(200)}`);
  const { merged, dropped } = mergeResolvConf({ ...none, searches: long });
  t.true(merged.searches.join(' ').length <= 2048);
  t.is(merged.searches.length + dropped.length, 20);
});

test("mode kubelet: the host's until kubelet writes, then kubelet's", (t) => {
  const host = nodeWith('nameserver 1.1.1.1\noptions rotate\n', undefined);
  t.truthy(refresh(host, keep));
  t.deepEqual(readBack(host).nameservers, ['1.1.1.1']);
  t.deepEqual(readBack(host).options, ['rotate'], 'a copy, nothing else');
  t.is(refresh(host, keep), undefined, 'a second time, nothing');
  write(host, '/etc/resolv.conf', 'nameserver 2.2.2.2\n');
  t.truthy(refresh(host, keep));
  t.deepEqual(readBack(host).nameservers, ['2.2.2.2'], 'refreshed while it is ours');
  write(host, path, 'nameserver 10.96.0.10\n');
  t.is(refresh(host, keep), undefined);
  t.is(host.texts.get(path), 'nameserver 10.96.0.10\n');
});

test("mode kubelet: the cluster's name servers come first until kubelet writes, and are gone then", (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', undefined);
  const known = { ...keep, nameservers: ['10.96.0.10'], searches: ['svc.cluster.local'] };
  refresh(host, known);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '1.1.1.1']);
  t.deepEqual(readBack(host).searches, ['svc.cluster.local']);
  t.is(refresh(host, known), undefined, 'a second time, nothing');
  t.true(lacksKubelet(host.texts.get(path) ?? ''));
  write(host, path, 'nameserver 10.96.0.99\n');
  t.is(refresh(host, known), undefined);
  t.is(host.texts.get(path), 'nameserver 10.96.0.99\n');
  t.false(lacksKubelet(host.texts.get(path) ?? ''));
});

for (const written of ['search corp.example\noptions ndots:5\n', '', '# nothing\n', 'nameserver\n'])
  test(`mode kubelet: the host's come after a file of kubelet's that names none: ${JSON.stringify(written)}`, (t) => {
    const host = nodeWith('nameserver 1.1.1.1\nsearch example\n', written);
    t.truthy(refresh(host, keep));
    t.deepEqual(readBack(host).nameservers, ['1.1.1.1']);
    t.deepEqual(
      readBack(host).searches,
      written.startsWith('search') ? ['corp.example', 'example'] : ['example'],
    );
    t.is(refresh(host, keep), undefined, 'a second time, nothing');
    write(host, '/etc/resolv.conf', 'nameserver 2.2.2.2\n');
    refresh(host, keep);
    t.deepEqual(readBack(host).nameservers, ['2.2.2.2'], "and follow the host's");
    t.is(lacksKubelet(host.texts.get(path) ?? ''), written === '');
    write(host, path, 'nameserver 10.96.0.99\n');
    t.is(refresh(host, keep), undefined, 'until it names one');
  });

test("mode merge: what kubelet writes is merged in and not lost when the host's changes", (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', undefined);
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '1.1.1.1']);
  write(host, path, 'nameserver 10.96.0.99\nsearch corp.example\n');
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '10.96.0.99', '1.1.1.1']);
  t.deepEqual(readBack(host).searches, ['svc.cluster.local', 'corp.example']);
  t.is(refresh(host, merge), undefined, 'nothing has changed');
  write(host, '/etc/resolv.conf', 'nameserver 2.2.2.2\n');
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '10.96.0.99', '2.2.2.2']);
  write(host, path, 'nameserver 10.96.0.77\n');
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '10.96.0.77', '2.2.2.2'], "kubelet's last word");
  t.truthy(refresh(host, keep));
  t.is(
    host.texts.get(path),
    'nameserver 10.96.0.77\n',
    "back in mode kubelet it is kubelet's, byte for byte",
  );
});

test('mode merge: another manifest, another file', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', undefined);
  refresh(host, merge);
  refresh(host, { ...merge, nameservers: ['10.96.0.11'] });
  t.deepEqual(readBack(host).nameservers, ['10.96.0.11', '1.1.1.1']);
});

test('mode merge: a host without a resolv.conf, and one that comes later', (t) => {
  const host = nodeWith(undefined, undefined);
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10']);
  write(host, '/etc/resolv.conf', 'nameserver 1.1.1.1\n');
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '1.1.1.1']);
});

test('what is left out stands in the file', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n', undefined);
  t.deepEqual(refresh(host, merge)?.dropped, ['nameserver 3.3.3.3 (glibc reads 3)']);
  t.regex(host.texts.get(path) ?? '', /^# left out: nameserver 3\.3\.3\.3 \(glibc reads 3\)$/m);
});

test('an empty file just made is left to kubelet, an old one is not', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', '');
  host.file(path, { size: 0, changedMs: Date.now() });
  t.is(refresh(host, merge), undefined);
  host.file(path, { size: 0, changedMs: Date.now() - 60_000 });
  t.truthy(refresh(host, merge));
});

test('an empty file of the future, by a clock that was set back, is not left to kubelet for ever', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', '');
  host.file(path, { size: 0, changedMs: Date.now() + 3_600_000 });
  t.truthy(refresh(host, merge));
});

test('a symlink is replaced and its text not read', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', 'nameserver 6.6.6.6\n');
  host.file(path, { kind: 'symlink', size: 16 });
  refresh(host, merge);
  t.deepEqual(readBack(host).nameservers, ['10.96.0.10', '1.1.1.1']);
});

test('on the way of a mount a file that cannot be written is no failure', (t) => {
  const host = nodeWith('nameserver 1.1.1.1\n', undefined);
  host.replaceText = () => {
    throw new Error('EROFS');
  };
  t.notThrows(() =>
    refreshResolvConfIfPossible({ host, layout, manifest: { ...manifest, resolver: merge } }),
  );
});
