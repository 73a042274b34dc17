import { once } from 'node:events';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';

const commandLine = resolve(import.meta.dirname, '../support/gluster/gluster-server.ts');

/** Mounts SERVER:VOLUME from ROOTFS as the client, writes a file, shows the mount's entry, unmounts. */
const clientScript = `set -eu
cd "$1"
mount -t proc proc proc
for directory in dev run mnt var/log/glusterfs; do mount -t tmpfs tmpfs $directory; done
for device in null urandom fuse; do : >dev/$device; mount --bind /dev/$device dev/$device; done
mkdir mnt/volume
chroot . /sbin/mount.glusterfs "$2:$3" /mnt/volume
echo "written to $3" >mnt/volume/file
grep -o 'fuse.glusterfs [^ ]*' /proc/self/mountinfo
umount mnt/volume`;

/** What `clientScript` printed; its daemon ends with its pid namespace, whatever happens. */
async function mountAsClient(server: GlusterServer, volume: string): Promise<string> {
  const unshare = ['unshare', '--mount', '--propagation=private', '--pid', '--fork', '--kill-child'];
  const client = ['sh', '-c', clientScript, 'sh', server.rootfs, server.address, volume];
  const [file = '', ...args] = [...server.enter, ...unshare, ...client];
  return (await execa(file, args, { all: true })).all;
}

/** The mount, network and pid namespaces of process `pid`, e.g. `['mnt:[4026532245]', …]`. */
async function namespacesOf(pid: number): Promise<readonly string[]> {
  return Promise.all(['mnt', 'net', 'pid'].map((kind) => readlink(`/proc/${pid}/ns/${kind}`)));
}

/**
 * A function that finds the processes that are in the namespaces of `pid`. They are held open until it is
 * disposed of: the kernel gives the number of a namespace that is gone to the next one.
 */
async function membership(pid: number): Promise<AsyncDisposable & { find(): Promise<readonly number[]> }> {
  const held = await Promise.all(['mnt', 'net', 'pid'].map((kind) => open(`/proc/${pid}/ns/${kind}`)));
  const namespaces = await namespacesOf(pid);
  return {
    find: () => membersOf(namespaces),
    async [Symbol.asyncDispose]() {
      await Promise.all(held.map((handle) => handle.close()));
    },
  };
}

/** The processes that are in at least one of `namespaces`. */
async function membersOf(namespaces: readonly string[]): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const theirs = await Promise.all(pids.map((pid) => namespacesOf(pid).catch(() => [])));
  return pids.filter((_, i) => theirs[i]?.some((namespace) => namespaces.includes(namespace)));
}

test.serial('two servers at once serve volumes of the same name, each its own', async (t) => {
  await using first = await startGlusterServer({ volumes: ['v1', 'v2'] });
  await using second = await startGlusterServer({ volumes: ['v1'] });
  t.is(await mountAsClient(first, 'v2'), 'fuse.glusterfs 10.77.0.1:v2');
  t.is(await readFile(join(first.brickPath('v2'), 'file'), 'utf8'), 'written to v2\n');
  t.is(await mountAsClient(second, 'v1'), 'fuse.glusterfs 10.77.0.1:v1');
  t.is(await readFile(join(second.brickPath('v1'), 'file'), 'utf8'), 'written to v1\n');
  await t.throwsAsync(readFile(join(first.brickPath('v1'), 'file')), { code: 'ENOENT' });
});

test.serial('a brick that was killed serves again when it is started', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'], address: '10.77.0.7' });
  await server.killBrick();
  await t.throwsAsync(mountAsClient(server, 'v1'), { message: /Mount failed/ });
  await server.run(['gluster', '--mode=script', 'volume', 'start', 'v1', 'force']);
  t.is(await mountAsClient(server, 'v1'), 'fuse.glusterfs 10.77.0.7:v1');
});

test.serial('stop leaves no process, no namespace and no mount, also when glusterd hangs', async (t) => {
  const server = await startGlusterServer({ volumes: ['v1'] });
  const own = await namespacesOf(process.pid);
  t.false((await namespacesOf(server.pid)).some((namespace) => own.includes(namespace)));
  await using members = await membership(server.pid);
  t.true((await members.find()).length >= 3, 'init, glusterd and the brick');
  await server.signalGlusterd('STOP');
  await server.stop();
  await server.stop();
  t.deepEqual(await members.find(), []);
  t.false((await readFile('/proc/self/mountinfo', 'utf8')).includes(server.rootfs));
});

test.serial('the server and COMMAND end when the command line is killed', async (t) => {
  const command = ['sh', '-c', 'echo "$GLUSTER_BRICK"; exec sleep 1000'];
  const caller = execa(process.execPath, [commandLine, '--', ...command], { reject: false });
  const [brick] = await once(createInterface({ input: caller.stdout }), 'line');
  await using members = await membership(Number(String(brick).split('/')[2]));
  t.true((await members.find()).length >= 4, 'init, glusterd, the brick and COMMAND');
  caller.kill('SIGKILL');
  await caller;
  const findNone = async () => {
    const left = await members.find();
    if (left.length > 0) throw new Error(`still there: ${left}`);
  };
  await t.notThrowsAsync(pRetry(findNone, { retries: 600, minTimeout: 100, factor: 1 }));
});

test.serial("the command line passes COMMAND's exit status and says what it serves", async (t) => {
  const command = ['sh', '-c', 'echo "$GLUSTER_SERVER:$GLUSTER_VOLUME"; exit 3'];
  const flags = ['--address=10.77.0.9', '--volume=data', '--volume=more'];
  const result = await execa(process.execPath, [commandLine, ...flags, '--', ...command], { reject: false });
  t.is(result.stdout, '10.77.0.9:data');
  t.is(result.exitCode, 3);
});

test.serial('a server in the current network namespace takes its address away again', async (t) => {
  await using outer = await startGlusterServer({ volumes: ['v1'] });
  const inner = [process.execPath, commandLine, '--network=current', '--address=10.77.0.8', '--'];
  const addresses = async (command: readonly string[]) => {
    const [file = '', ...args] = [
      ...outer.enter,
      ...command,
      ...chroot,
      'ip',
      '-brief',
      'address',
      'show',
      'lo',
    ];
    return (await execa(file, args)).stdout.match(/10\.77\.0\.\d+/g);
  };
  const chroot = ['chroot', outer.rootfs];
  t.deepEqual(await addresses(inner), ['10.77.0.1', '10.77.0.8']);
  t.deepEqual(await addresses([]), ['10.77.0.1']);
});

for (const [request, message] of [
  [{ volumes: [] }, 'there is none'],
  [{ volumes: ['a/b'] }, 'not a volume name'],
  [{ volumes: ['v1'], address: '127.0.0.2' }, 'glusterd refuses loopback addresses'],
  [{ volumes: ['v1'], address: 'localhost' }, 'not an IP address'],
] as const) {
  test.serial(`refused: ${JSON.stringify(request)}`, async (t) => {
    await t.throwsAsync(startGlusterServer(request), { message });
  });
}
