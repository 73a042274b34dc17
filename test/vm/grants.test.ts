import { writeFile } from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { readAheadFile } from '../../src/host/mountinfo.ts';
import type { Shortfall } from '../../src/mount/filesystems/filesystem-driver.ts';
import type { GrantedVolume } from '../../src/status/volumes.ts';
import { entriesOf, mounter, mountNfs, newTarget } from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** `mounter status --volumes` on what a real kernel lists of real mounts. */

const { server, otherServer, v3Server } = vmNode(test);

async function mounted(t: ExecutionContext, source: string, options: string): Promise<string> {
  const target = await newTarget();
  const { status, output } = await mountNfs(source, target, options);
  t.is(status, 0, output);
  return target;
}

async function volumeAt(t: ExecutionContext, target: string): Promise<GrantedVolume> {
  const { status, output } = await mounter('status', '--volumes', '--json');
  t.is(status, 0, output);
  const volumes: readonly GrantedVolume[] = JSON.parse(output).volumes;
  const found = volumes.find((volume) => volume.target === target);
  if (found === undefined) throw new Error(output);
  return found;
}

const shown = ({ lessThanAsked }: GrantedVolume): readonly string[] =>
  lessThanAsked.map(({ option, asked, got }: Shortfall) => `${option}=${asked}>${got}`);

test.serial('v4.2 and v3 have what was asked for', async (t) => {
  const options = 'vers=4.2,sec=sys,proto=tcp,nconnect=3,rsize=65536,x-mounter.read-ahead=1024';
  const newest = await volumeAt(t, await mounted(t, `${server.address}:/srv/vol1`, options));
  t.like(newest, {
    readAheadKib: 1024,
    granted: {
      ...{ version: '4.2', security: 'sys', transport: 'tcp', tls: 'none' },
      ...{ readBytes: 65_536, connections: 3, locks: 'server' },
    },
  });
  t.deepEqual(shown(newest), []);
  const ipv6 = `[${v3Server.address6}]:/srv/vol1`;
  const old = await volumeAt(t, await mounted(t, ipv6, 'vers=3,nolock,proto=tcp6,wsize=4096'));
  t.like(old.granted, { version: '3', transport: 'tcp6', writeBytes: 4096, locks: 'node' });
  t.deepEqual(shown(old), []);
});

test.serial('a mount that shares the connections of another one has those, and that is said', async (t) => {
  await mounted(t, `${server.address}:/srv/vol1`, 'vers=4.2');
  const second = await mounted(t, `${server.address}:/srv/vol2`, 'vers=4.2,nconnect=4,rsize=1048576');
  const volume = await volumeAt(t, second);
  t.is(volume.granted?.connections, 1);
  t.deepEqual(shown(volume), [`rsize=1048576>${volume.granted?.readBytes}`, 'nconnect=4>1']);
  const text = (await mounter('status', '--volumes')).output;
  t.regex(text, /^4\.2 +sys +tcp +none +1 MiB .* 1 +server$/m);
  t.regex(text, /less than asked: nconnect=4 came to 1: mounts of one server share/);
  t.regex((await mounter('status')).output, /^ +1 with less than was asked for: mounter status --volumes/m);
});

test.serial('a read-ahead that somebody has changed since is less than was asked for', async (t) => {
  const target = await mounted(t, `${server.address}:/srv/vol1`, 'vers=4.2,x-mounter.read-ahead=1024');
  const [entry] = await entriesOf(target);
  if (entry === undefined) throw new Error(target);
  await writeFile(`/sys/${readAheadFile(entry.device)}`, '128');
  t.deepEqual(shown(await volumeAt(t, target)), ['read-ahead=1024>128']);
});

test.serial('a server that is silent holds nobody up', async (t) => {
  const target = await mounted(t, `${otherServer.address}:/srv/vol1`, 'vers=4.2,nconnect=2');
  await otherServer.dropPackets();
  t.teardown(() => otherServer.passPackets());
  const { milliseconds, status, output } = await mounter('status', '--volumes');
  t.is(status, 0);
  t.true(output.includes(target));
  t.log(`${milliseconds} ms`);
  t.true(milliseconds < 3000, `${milliseconds} ms`);
});
