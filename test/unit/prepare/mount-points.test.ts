import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { copyTree, makeHostPath } from '../../../src/prepare/mount-points.ts';

test('directories, files and symlinks with their modes; nothing else, and symlinks are not followed', (t) => {
  const top = mkdtempSync(join(tmpdir(), 'copy-tree-test-'));
  try {
    const [from, to] = [join(top, 'from'), join(top, 'to')];
    mkdirSync(join(from, 'sm'), { recursive: true, mode: 0o711 });
    writeFileSync(join(from, 'sm/state'), 'bytes\0', { mode: 0o640 });
    symlinkSync('/etc/shadow', join(from, 'link'));
    execFileSync('mkfifo', [join(from, 'pipe')]);
    copyTree(from, to);
    t.deepEqual((readdirSync(to, { recursive: true }) as string[]).sort(), ['link', 'sm', 'sm/state']);
    t.is(readFileSync(join(to, 'sm/state'), 'utf8'), 'bytes\0');
    t.is(lstatSync(join(to, 'sm/state')).mode & 0o777, 0o640);
    t.is(lstatSync(join(to, 'sm')).mode, lstatSync(join(from, 'sm')).mode);
    t.is(readlinkSync(join(to, 'link')), '/etc/shadow');
  } finally {
    rmSync(top, { recursive: true });
  }
});

test("a symlink in the image is refused before anything is made, or changed, on the host's side", (t) => {
  const top = mkdtempSync(join(tmpdir(), 'host-path-test-'));
  t.teardown(() => rmSync(top, { recursive: true }));
  const [host, elsewhere, root] = [join(top, 'state/nfs'), join(top, 'elsewhere'), join(top, 'root')];
  mkdirSync(join(root, 'var/lib'), { recursive: true });
  mkdirSync(elsewhere, { mode: 0o700 });
  symlinkSync(elsewhere, join(root, 'var/lib/nfs'));
  const usual = { type: 'bind', access: 'rw', propagation: 'private', optional: false } as const;
  const mount = { ...usual, host, rootfs: '/var/lib/nfs', create: '0755' };
  t.throws(() => makeHostPath(mount, root), { message: /^is a symlink in the image/ });
  t.deepEqual(readdirSync(top).sort(), ['elsewhere', 'root']);
  t.is(lstatSync(elsewhere).mode & 0o777, 0o700);
});
