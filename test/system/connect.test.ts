import test from 'ava';
import { execa } from 'execa';
import { frontProgram } from '../support/front/front-program.ts';

/** What comes of a connection, by the front's own system calls, in a network namespace made for it. */
const setUp = `set -eu
ip link set lo up
ip link add v0 type veth peer name v1
ip address add 192.0.2.1/24 dev v0
ip -6 address add 2001:db8::1/64 dev v0 nodad
ip link set v0 up; ip link set v1 up
ip route add blackhole 192.0.3.0/24; ip route add prohibit 192.0.4.0/24
# Where frames for a hardware address vanish.
ip neighbour replace 192.0.2.99 lladdr 02:00:00:00:00:99 dev v0 nud permanent
ip neighbour replace fe80::99 lladdr 02:00:00:00:00:99 dev v0 nud permanent
"$1" -e 'require("net").createServer().listen(7777, "::")' >/dev/null & server=$!
trap "kill $server" EXIT
until grep -q ':1E61 ' /proc/net/tcp6; do sleep 0.1; done
shift
"$@"`;

const attempts: readonly (readonly [expected: string, ...words: string[]])[] = [
  ['open', '127.0.0.1', '7777', '5000'],
  ['open', '::1', '7777', '5000'],
  ['refused', '127.0.0.1', '9', '5000'],
  ['refused', '::1', '9', '5000'],
  ['noRoute', '10.1.2.3', '2049', '5000'],
  ['noRoute', '2001:db9::1', '2049', '5000'],
  ['noRoute', '192.0.2.98', '2049', '5000'],
  ['noRoute', '192.0.3.1', '2049', '5000'],
  ['forbidden', '192.0.4.1', '2049', '5000'],
  ['silent', '192.0.2.99', '2049', '1000'],
  ['silent', 'fe80::99%v0', '2049', '1000'],
  ['unknown', '192.0.2.99', '2049', '5000', '300'],
  ['noRoute', 'nonsense', '2049', '1000'],
];

test.serial('what comes of a connection: open, refused, no route, silent, given up', async (t) => {
  const lines = attempts.map(([, ...words]) => `"$1" ${words.join(' ')}`);
  const inner = ['sh', '-c', lines.join('\n'), 'sh', await frontProgram('connect')];
  const { stdout } = await execa('unshare', ['--net', 'sh', '-c', setUp, 'sh', process.execPath, ...inner], {
    stdin: 'ignore',
    timeout: 600_000,
  });
  t.deepEqual(
    stdout.split('\n'),
    attempts.map(([expected]) => expected),
  );
});
