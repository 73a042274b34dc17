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
import { copyTree } from '../../../src/prepare/mount-points.ts';

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
