import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import type { Machine } from '../support/guest/machine.ts';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { smbUsers, startSmbServer } from '../support/guest/smb-server.ts';

/** The SMB server that other tests stand on, mounted from a plain chroot into a server's root, as in smoke.test.ts. */
const clientRoot = '/server';
const target = '/mnt/volume';

let server: Machine;

test.before(async () => {
  server = await startSmbServer({ name: 'files', address: '10.9.0.1' });
  await mkdir(join(clientRoot, target), { recursive: true });
});

test.afterEach.always(async () => {
  await execa('umount', ['--lazy', join(clientRoot, target)], { reject: false });
});

test.after.always(() => server.close());

const mount = (share: string, user: keyof typeof smbUsers, options = '', password: string = smbUsers[user]) =>
  execa(
    'chroot',
    [clientRoot, 'mount.cifs', `//${server.address}/${share}`, target, '-o', `username=${user},${options}`],
    { reject: false, timeout: 30_000, env: { PASSWD: password } },
  );

for (const version of ['2.1', '3.0', '3.1.1']) {
  test.serial(`vers=${version} mounts, writes and reads`, async (t) => {
    const { exitCode, stderr } = await mount('vol1', 'alice', `vers=${version}`);
    t.is(exitCode, 0, stderr);
    const [entry] = await readMountsFrom(join(clientRoot, target));
    t.true(entry?.superOptions.includes(`vers=${version}`));
    await writeFile(join(clientRoot, target, `by-${version}`), 'hello');
    t.is(await readFile(join(server.directory, `vol1/by-${version}`), 'utf8'), 'hello');
  });
}

test.serial('shares refuse what they should', async (t) => {
  t.regex((await mount('secret', 'alice')).stderr, /mount error\(13\): Permission denied/);
  t.regex((await mount('vol1', 'alice', '', 'wrong')).stderr, /mount error\(13\): Permission denied/);
  t.regex((await mount('nowhere', 'alice')).stderr, /mount error\(2\): No such file or directory/);
  t.regex((await mount('vol1', 'alice', 'vers=1.0')).stderr, /mount error\(95\)/);
  t.is((await mount('secret', 'bob')).exitCode, 0);
});

test.serial('the server stops and starts again', async (t) => {
  await server.stopServices();
  t.regex((await mount('vol1', 'alice')).stderr, /mount error\(111\)/);
  await server.startServices();
  t.is((await mount('vol1', 'alice')).exitCode, 0);
});
