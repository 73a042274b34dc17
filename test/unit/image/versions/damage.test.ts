import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { mendingHint } from '../../../../src/image/versions/damage.ts';
import { mend } from '../../../../src/image/versions/mend.ts';
import {
  differencesFrom,
  readTreeRecord,
  writeTreeRecord,
} from '../../../../src/image/versions/tree-record.ts';
import { unknownRecord, writeRecord } from '../../../../src/image/versions/version-record.ts';
import { layoutOf } from '../../../../src/node/layout.ts';
import { manifest } from '../../../support/model/node-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'damage-test-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

let number = 0;
function tree(): string {
  number += 1;
  const root = join(scratch, String(number));
  mkdirSync(`${root}/usr/bin`, { recursive: true });
  mkdirSync(`${root}/etc`);
  mkdirSync(`${root}/proc`);
  writeFileSync(`${root}/usr/bin/a`, 'program', { mode: 0o755 });
  writeFileSync(`${root}/etc/services`, 'services');
  writeFileSync(`${root}/etc/resolv.conf`, 'nameserver 192.0.2.1\n');
  symlinkSync('usr/bin', `${root}/bin`);
  return root;
}

const damages: readonly (readonly [damage: (root: string) => void, ...paths: readonly string[]])[] = [
  [() => {}],
  [(root) => writeFileSync(`${root}/usr/bin/a`, 'Program'), '/usr/bin/a'],
  [(root) => chmodSync(`${root}/usr/bin/a`, 0o644), '/usr/bin/a'],
  [(root) => chmodSync(`${root}/usr`, 0o700), '/usr'],
  [(root) => rmSync(`${root}/usr`, { recursive: true }), '/usr', '/usr/bin', '/usr/bin/a'],
  [(root) => replace(`${root}/usr`, (path) => writeFileSync(path, '')), '/usr', '/usr/bin', '/usr/bin/a'],
  [(root) => replace(`${root}/bin`, (path) => mkdirSync(`${path}/more`, { recursive: true })), '/bin'],
  [(root) => replace(`${root}/bin`, (path) => symlinkSync('usr/sbin', path)), '/bin'],
  [(root) => rmSync(`${root}/etc/services`), '/etc/services'],
  // kubelet's, a mount point's, and what came in addition.
  [(root) => rmSync(`${root}/etc/resolv.conf`)],
  [(root) => rmSync(`${root}/proc`, { recursive: true })],
  [(root) => writeFileSync(`${root}/usr/bin/b`, '')],
];

function replace(path: string, make: (path: string) => void): void {
  rmSync(path, { recursive: true });
  make(path);
}

for (const [damage, ...paths] of damages) {
  test(`seen and mended: ${damage}`, async (t) => {
    const [root, from] = [tree(), tree()];
    const aside = `${root}.aside`;
    mkdirSync(aside);
    for (const one of [root, from]) await writeTreeRecord(one);
    damage(root);
    const differences = async () => {
      const found = await differencesFrom(readTreeRecord(root) ?? [], root, manifest);
      return found.map(({ entry: { path } }) => path);
    };
    t.deepEqual(await differences(), paths);
    t.deepEqual(await mend({ root, from, aside }, manifest), paths);
    t.deepEqual(await differences(), []);
    t.is(readFileSync(`${root}/bin/a`, 'utf8'), 'program');
  });
}

test('the hint names what the version was installed from, where that can be installed again', (t) => {
  const layout = layoutOf(join(scratch, 'home'), undefined);
  const digest = `sha256:${'a'.repeat(64)}`;
  mkdirSync(layout.versions, { recursive: true });
  const named = (reference: string | null) => {
    writeRecord(layout, { ...unknownRecord, digest, reference, manifest: '{}' });
    return /install (\S+),/.exec(mendingHint(layout, digest))?.[1];
  };
  for (const lasting of [
    'registry.example/tools:v1',
    'localhost:5000/tools@sha256:12',
    'https://host/x.tar',
    scratch,
  ])
    t.is(named(lasting), lasting);
  for (const other of ['dist/rootfs.tar.zst', './a/b.tar', 'tools:v1', '/none/rootfs.tar', null])
    t.is(named(other), 'SOURCE');
  t.regex(mendingHint(layout, undefined), /install SOURCE,/);
});
