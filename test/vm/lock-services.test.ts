import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { takeLock } from '../support/guest/lock.ts';
import {
  entriesOf,
  installAndPrepare,
  mounter,
  mountNfs,
  newTarget,
  unmountAll,
} from '../support/guest/node.ts';
import {
  isStatdAnswering,
  killRpcProcesses,
  rpcProcesses,
  startHostRpcbind,
  startHostStatd,
} from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { everyNth } from '../support/long-run.ts';

/**
 * Every state of rpcbind and rpc.statd that a node can be in. In many of them mount.nfs succeeds and flock(2)
 * hangs for a minute. After our mount a lock is granted within 2 s, or there is no mount and a sentence.
 */

const { server, v3Server } = vmNode(test);

/** 2 s, and what this guest, whose CPU is emulated, takes for a usual lock. */
let limitSeconds = 2;

test.serial.before(async () => {
  const target = await newTarget();
  const { status, output } = await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3');
  if (status !== 0) throw new Error(output);
  const { locked, milliseconds, stderr } = await takeLock(`${target}/file`);
  if (!locked) throw new Error(`no lock: ${stderr}`);
  limitSeconds += milliseconds / 1000;
  await unmountAll();
});

/** A volume mounted by us before, with which our own rpcbind and rpc.statd run. */
async function ownServicesRun(): Promise<void> {
  const { status, output } = await mountNfs(`${server.address}:/srv/vol1`, await newTarget(), 'vers=3');
  if (status !== 0) throw new Error(output);
}

async function hostServicesRun(): Promise<void> {
  await startHostRpcbind('-w');
  await startHostStatd();
}

const restartRpcbind = async (...args: readonly string[]) => {
  const { status, output } = await mounter('exec', '--', 'rpcbind', ...args);
  if (status !== 0) throw new Error(output);
};

/** @param strays rpc.statds of the host's that no rpcbind knows of; they are not ours to end. */
const states: readonly (readonly [title: string, setUp: () => Promise<void>, strays?: number])[] = [
  ['nothing runs', async () => {}],
  ['our own run', ownServicesRun],
  ["the host's rpcbind alone", () => startHostRpcbind('-w')],
  ["the host's rpcbind, started without -w", () => startHostRpcbind()],
  ["the host's rpcbind and statd", hostServicesRun],
  [
    "an rpcbind whose /run we can't see",
    async () => {
      const hidden = 'mount -t tmpfs tmpfs /server/run && chroot /server rpcbind';
      await execa('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', hidden], {
        stdin: 'ignore',
      });
    },
  ],
  ['our rpcbind killed, statd alive', async () => ownServicesRun().then(() => killRpcProcesses('rpcbind'))],
  [
    'our rpcbind ended by SIGTERM, statd alive',
    async () => ownServicesRun().then(() => killRpcProcesses('rpcbind', 'SIGTERM')),
  ],
  [
    'our rpcbind ended by SIGTERM and restarted with -w',
    async () => {
      await ownServicesRun();
      await killRpcProcesses('rpcbind', 'SIGTERM');
      await restartRpcbind('-w');
    },
  ],
  [
    'our rpcbind killed and restarted without -w: it has lost what was registered',
    async () => {
      await ownServicesRun();
      await killRpcProcesses('rpcbind');
      await restartRpcbind();
    },
  ],
  ['our statd killed', async () => ownServicesRun().then(() => killRpcProcesses('rpc.statd'))],
  ['both killed', async () => ownServicesRun().then(() => killRpcProcesses())],
  ["the host's statd killed", async () => hostServicesRun().then(() => killRpcProcesses('rpc.statd'))],
  [
    "the host's rpcbind killed, its statd alive",
    async () => hostServicesRun().then(() => killRpcProcesses('rpcbind')),
    1,
  ],
  [
    "the host's rpcbind restarted without -w, its statd unknown to it",
    async () => {
      await hostServicesRun();
      await killRpcProcesses('rpcbind');
      await startHostRpcbind();
    },
    1,
  ],
  ['our statd deaf', async () => ownServicesRun().then(() => signalRpc('rpc.statd'))],
];

async function signalRpc(name: string): Promise<void> {
  for (const { pid } of (await rpcProcesses()).filter((one) => one.name === name))
    process.kill(pid, 'SIGSTOP');
}

async function mountsAndLocks(
  t: ExecutionContext,
  source: string,
  options: string,
  strays: number,
): Promise<void> {
  const target = await newTarget();
  const call = await mountNfs(source, target, options);
  t.log(`mount: status ${call.status} after ${call.milliseconds} ms ${call.output}`);
  if (call.status === 0) {
    const lock = await takeLock(`${target}/file`, limitSeconds);
    t.log(`lock: ${lock.milliseconds} ms ${lock.stderr}`);
    t.true(lock.locked, `a lock is granted within ${limitSeconds} s`);
    t.true(await isStatdAnswering());
  } else {
    t.is(call.status, 32);
    t.regex(
      call.output,
      /^mounter: .*: rpcbind and rpc\.statd do not answer, and NFSv3 locks would hang\n[\s\S]*hint: /,
    );
    t.deepEqual(await entriesOf(target), [], 'what is refused is not mounted');
  }
  const names = (await rpcProcesses()).map(({ name }) => name);
  t.is(names.filter((name) => name === 'rpcbind').length, 1);
  t.is(names.filter((name) => name === 'rpc.statd').length, 1 + strays);
}

for (const [title, setUp, strays = 0] of states) {
  test.serial(`vers=3: ${title}`, async (t) => {
    await setUp();
    await mountsAndLocks(t, `${server.address}:/srv/vol1`, 'vers=3', strays);
  });
}

for (const [title, setUp, strays = 0] of everyNth(4, states)) {
  test.serial(`negotiated down to v3: ${title}`, async (t) => {
    await setUp();
    await mountsAndLocks(t, `${v3Server.address}:/srv/vol1`, '', strays);
  });
}

test.serial('vers=3: our rpcbind deaf', async (t) => {
  await ownServicesRun();
  await signalRpc('rpcbind');
  await mountsAndLocks(t, `${server.address}:/srv/vol1`, 'vers=3', 0);
});

test.serial(
  'negotiated down to v3: our rpcbind deaf; alone, mount.nfs waits a minute and more',
  async (t) => {
    await ownServicesRun();
    await signalRpc('rpcbind');
    await mountsAndLocks(t, `${v3Server.address}:/srv/vol1`, '', 0);
  },
);

test.serial("beside the host's rpcbind the rootfs's own refuses to start: they share /run", async (t) => {
  await startHostRpcbind('-w');
  const second = await mounter('exec', '--', 'rpcbind', '-w');
  t.is(second.status, 1);
  t.regex(second.output, /another rpcbind is already running/);
});

test.serial('lock state survives a teardown', async (t) => {
  await ownServicesRun();
  const state = await mounter('exec', '--', 'ls', '-l', '/var/lib/nfs/');
  t.regex(state.output, /sm\b/);
  await unmountAll();
  await mounter('teardown');
  const kept = await execa('ls', ['/var/lib/containerized-mounter/nfs']);
  t.regex(kept.stdout, /sm\n[\s\S]*state/);
  await installAndPrepare();
});
