import test, { type ExecutionContext } from 'ava';
import { newTarget, nothingLeft, type Setting, setting } from '../support/gluster/gluster-node.ts';
import { everyNth } from '../support/long-run.ts';
import { setLimits } from '../support/node/limits.ts';
import { installedMounter, mounterHome, type Ran } from '../support/node/namespace.ts';

/**
 * Mounts that name hundreds of servers, by callers that may open few files: the front asks after so many as it can,
 * and whatever comes of it, no internal error does, and nothing is left.
 */

const mountSeconds = 30;

/** A server of names that never answers; 192.0.2.99 takes packets, and all of 127.0.0.0/8 refuses them. */
const network = `
ip link add v0 type veth peer name v1
ip address add 192.0.2.1/24 dev v0
ip link set v0 up; ip link set v1 up
ip neighbour replace 192.0.2.99 lladdr 02:00:00:00:00:99 dev v0 nud permanent
echo nameserver 192.0.2.99 >${mounterHome}/rootfs/etc/resolv.conf`;

/** @param failureCacheSeconds 0: each call asks for itself. */
async function unreachableSetting(failureCacheSeconds = 0): Promise<Setting> {
  const s = await setting();
  await s.node.shell(network);
  setLimits(s.node, { failureCacheSeconds, mountSeconds });
  await s.node.mustRun('prepare');
  return s;
}

async function mountFrom(
  servers: readonly string[],
  files: number,
  { node }: Setting,
  trace: readonly string[] = [],
): Promise<Ran & { readonly target: string; readonly milliseconds: number }> {
  const target = await newTarget(node);
  const [first, ...backups] = servers;
  const options = `log-level=ERROR,backup-volfile-servers=${backups.join(':')}`;
  const mounter = [...trace, installedMounter];
  const words = [...mounter, 'mount', '-t', 'glusterfs', '-o', options, `${first}:v1`, target];
  const began = performance.now();
  const ran = await node.run(['sh', '-c', 'ulimit -n "$0"; exec "$@"', String(files), ...words]);
  return { ...ran, target, milliseconds: Math.round(performance.now() - began) };
}

function failsCleanly(t: ExecutionContext, s: Setting, ran: Awaited<ReturnType<typeof mountFrom>>): void {
  const { status, stderr, target, milliseconds } = ran;
  t.log(`${status} after ${milliseconds} ms: ${stderr.split('\n')[0]}`);
  t.true([1, 2, 32].includes(status), `${status}`);
  t.regex(stderr, /^mounter: .*\n(.*\n)*hint: .*\n$/);
  t.notRegex(stderr, /internal error|too many descriptors/);
  // The machine may have much else to do.
  t.true(milliseconds < 3 * mountSeconds * 1000, `${milliseconds} ms`);
  nothingLeft(t, s.node, target);
  t.deepEqual(s.node.processes(), []);
}

const some = (count: number, server: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => server(index + 1));
const named = (index: number) => `server${index}.example`;
const silent = (index: number) => (index === 1 ? '192.0.2.99' : `192.0.2.${100 + (index % 100)}`);
const refusing = (index: number) => `127.0.${1 + (index >> 7)}.${1 + (index & 127)}`;

/** How many servers are named, and how many files the caller may open. */
const countsAndFiles = [80, 300].flatMap((count) => [20, 64, 1024].map((files) => [count, files] as const));

for (const [what, server] of [
  ['names that no server of names knows', named],
  ['servers that are silent or not there', silent],
  ['servers that refuse', refusing],
] as const) {
  test.serial(`80 and 300 ${what}`, async (t) => {
    await using s = await unreachableSetting();
    for (const [count, files] of everyNth(2, countsAndFiles))
      failsCleanly(t, s, await mountFrom(some(count, server), files, s));
  });
}

test.serial('80 servers that refuse are told as one would be', async (t) => {
  await using s = await unreachableSetting();
  const ran = await mountFrom(some(80, refusing), 1024, s);
  t.regex(ran.stderr, /127\.0\.1\.2 .*TCP port 24007[\s\S]*hint: start glusterd on 127\.0\.1\.2/);
  failsCleanly(t, s, ran);
});

test.serial('poll(2) fails ten times for want of memory: tried again', async (t) => {
  await using s = await unreachableSetting();
  const trace = [
    'strace',
    '-o',
    '/dev/null',
    '-e',
    'trace=poll',
    '-e',
    'inject=poll:error=ENOMEM:when=5..14',
  ];
  const ran = await mountFrom(some(80, refusing), 1024, s, trace);
  t.regex(ran.stderr, /127\.0\.1\.2 .*TCP port 24007/);
  failsCleanly(t, s, ran);
});

test.serial('of 80 servers one is there: mounted', async (t) => {
  await using s = await unreachableSetting();
  const { status, stderr, target } = await mountFrom(
    [refusing(1), s.server.address, ...some(78, refusing)],
    1024,
    s,
  );
  t.is(status, 0, stderr);
  t.is(s.node.entriesOf(target).length, s.node.entriesPerVolume);
});

test.serial('so many questions at once: 300 names start 8 processes, not 300', async (t) => {
  await using s = await unreachableSetting();
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, s.node.processesOf('getent').length);
  }, 20);
  // With so many the helper fails by itself, and the servers are asked after.
  const ran = await mountFrom(some(300, named), 1024, s);
  clearInterval(watching);
  t.true(most >= 1 && most <= 8, `${most}`);
  failsCleanly(t, s, ran);
});

test.serial('a call that is stopped while it asks: the next one asks for itself', async (t) => {
  await using s = await unreachableSetting(5);
  const asks = `${installedMounter} mount -t glusterfs -o server-port=24007 192.0.2.99:v1`;
  const [stopped, target] = [await newTarget(s.node), await newTarget(s.node)];
  await s.node.shell(`${asks} ${stopped} >/run/out 2>&1 & echo $! >/run/pid
    until ls /run/containerized-mounter/failures/*.turn 2>/dev/null; do sleep 0.05; done
    kill -STOP $(cat /run/pid)`);
  const began = performance.now();
  const { stderr } = await s.node.run(['sh', '-c', `exec ${asks} ${target}`]);
  t.regex(stderr, /192\.0\.2\.99 .*does not answer at TCP port 24007/);
  t.true(performance.now() - began < 30_000, `${Math.round(performance.now() - began)} ms`);
  nothingLeft(t, s.node, target);
  await s.node.shell('kill -CONT $(cat /run/pid)');
});
