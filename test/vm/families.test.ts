import { rm, writeFile } from 'node:fs/promises';
import test from 'ava';
import { mountNfs, mountWithLimits, newTarget } from '../support/guest/node.ts';
import { nothingLeft } from '../support/guest/nothing-left.ts';
import { dropPackets } from '../support/guest/packets.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** Names with addresses of both families, of which one leads nowhere. By themselves, IPv6 addresses come first. */

const { server, otherServer: closed } = vmNode(test);

const silent6 = 'fd00:9:0::99';
const silent4 = '10.9.0.99';
/** A neighbour that nobody is. */
const absent6 = 'fd00:9:0::77';

test.serial.before(async () => {
  await closed.stopServices();
  await dropPackets(server.device, silent6);
  await dropPackets(server.device, silent4);
  const names = [
    [closed.address6, server.address, 'closed6'],
    [absent6, server.address, 'absent6'],
    [silent6, server.address, 'silent6'],
    [server.address6, closed.address, 'closed4'],
    [server.address6, silent4, 'silent4'],
    [absent6, closed.address, 'none'],
  ];
  const lines = names.flatMap(([one, other, name]) => [`${one} ${name}`, `${other} ${name}`, '']);
  await writeFile('/etc/hosts', `127.0.0.1 localhost\n${lines.join('\n')}`);
});

test.after.always(async () => {
  await writeFile('/etc/hosts', '127.0.0.1 localhost\n');
  await rm('/etc/gai.conf', { force: true });
});

/** What is silent costs each mount the time in which it could have answered. */
async function mounts(name: string, ...lists: readonly string[]): Promise<void> {
  for (const list of lists) {
    const words = ['-t', 'nfs', '-o', list, `${name}:/srv/vol1`, await newTarget()];
    const { status, output, milliseconds } = await mountWithLimits({ connectSeconds: 2 }, ...words);
    if (status !== 0) throw new Error(`${name}, ${list}: ${output}`);
    if (milliseconds > 20_000) throw new Error(`${name}, ${list}: ${milliseconds} ms`);
  }
}

for (const name of ['closed6', 'absent6'])
  test.serial(`${name}: mounted by the other address`, (t) => t.notThrowsAsync(mounts(name, 'vers=4.2')));

test.serial('silent6: mounted by the other address, whatever the version', (t) =>
  t.notThrowsAsync(mounts('silent6', 'vers=4.2', 'vers=3,nolock', '_netdev')),
);

test.serial('gai.conf of the node: IPv4 first', async (t) => {
  await writeFile('/etc/gai.conf', 'precedence ::ffff:0:0/96 100\n');
  await t.notThrowsAsync(mounts('closed4', 'vers=3,nolock'));
  await t.notThrowsAsync(mounts('silent4', 'vers=4.2'));
});

test.serial('neither leads anywhere: both are named', async (t) => {
  const target = await newTarget();
  const { status, output } = await mountNfs('none:/srv/vol1', target, 'vers=4.2');
  t.is(status, 32);
  t.regex(
    output,
    /the server none \(10\.9\.5\.1\) refuses .*; also tried: fd00:9:0?:?:77 \(no route, TCP port 2049\)\n/,
  );
  await nothingLeft(t, target);
});
