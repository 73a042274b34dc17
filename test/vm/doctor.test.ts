import { realpath } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { home, mounter, mountNfs, newTarget, unmountAll } from '../support/guest/node.ts';
import { killRpcProcesses, rpcProcesses, startHostRpcbind } from '../support/guest/rpc.ts';
import { type NfsServer, startNfsServer } from '../support/guest/server.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { complaints, type Examination } from '../support/node/examination.ts';

/** The examination on real NFS: what breaks is named, and the next mount heals it or fails. */

const { server } = vmNode(test);

interface Examined extends Examination {
  readonly milliseconds: number;
  readonly status: number;
}

/** Where the machine has much else to do a helper takes the guest seconds to say its version: then once more. */
async function examine(tries = 5): Promise<Examined> {
  const { status = -1, output, milliseconds } = await mounter('doctor', '--json');
  const examined = { status, milliseconds, ...(JSON.parse(output) as Examination) };
  const isSlow = examined.findings.some(({ message }) =>
    message.startsWith('did not say its version within'),
  );
  return isSlow && tries > 1 ? examine(tries - 1) : examined;
}

/** What the guest never has: name servers, a firewall, a past without failures; and a CPU for itself. */
const always = /^warning (resolver|failures|locks port 111|helpers )/;

async function faults(): Promise<readonly string[]> {
  return complaints(await examine()).filter((line) => !always.test(line));
}

async function mount(options: string, path = 'vol1') {
  const target = await newTarget();
  return { target, ...(await mountNfs(`${server.address}:/srv/${path}`, target, options)) };
}

/** Of each volume, as mounter status has it. */
async function states(): Promise<readonly string[]> {
  const { output } = await mounter('status', '--json');
  const { volumes } = JSON.parse(output) as { readonly volumes: readonly { readonly state: string }[] };
  return volumes.map(({ state }) => state);
}

const sh = (script: string) => execa('sh', ['-euc', script], { stdin: 'ignore' });

test.serial('a healthy node, before its first mount and after', async (t) => {
  const before = await examine();
  t.is(before.status, 0);
  t.deepEqual(
    complaints(before).filter((line) => !always.test(line)),
    [],
  );
  await mount('vers=3');
  await mount('vers=4.2');
  const after = await examine();
  t.is(after.status, 0);
  t.true(
    complaints(after).includes('warning locks port 111'),
    'rpcbind listens everywhere, and that is said',
  );
  t.deepEqual(
    complaints(after).filter((line) => !always.test(line)),
    [],
  );
  t.log(`${before.milliseconds} ms, with two volumes ${after.milliseconds} ms`);
});

for (const [victim, expected] of [
  ['rpcbind', 'warning locks rpcbind'],
  ['rpc.statd', 'warning locks rpc.statd'],
  [undefined, 'warning locks rpcbind'],
] as const) {
  test.serial(`kill -9 of ${victim ?? 'both'}: found, and healed by the next mount`, async (t) => {
    t.is((await mount('vers=3')).status, 0);
    await killRpcProcesses(victim);
    const examined = await examine();
    t.is(examined.status, 0, 'a mount would not fail');
    t.deepEqual(
      complaints(examined).filter((line) => !always.test(line)),
      [expected],
    );
    const finding = examined.findings.find(({ check, level }) => check === 'locks' && level === 'warning');
    t.regex(finding?.message ?? '', /locks on mounted NFSv3 volumes hang or fail until then/);
    t.is((await mount('vers=3')).status, 0);
    t.deepEqual(await faults(), []);
  });
}

test.serial("the host's own rpcbind is deaf: a v3 mount would fail, and does", async (t) => {
  await startHostRpcbind('-w');
  for (const { pid } of await rpcProcesses()) process.kill(pid, 'SIGSTOP');
  t.deepEqual(await faults(), ['failing locks rpcbind']);
  const { status, output } = await mount('vers=3');
  t.is(status, 32);
  t.regex(output, /rpcbind and rpc\.statd do not answer/);
});

const state = '/var/lib/containerized-mounter/nfs';

/** A v3 mount with locks then fails; v4 needs none of it. */
const breakages: readonly (readonly [
  title: string,
  script: string,
  expected: readonly string[],
  mend: string,
])[] = [
  [
    '/run is read-only',
    'mount -o remount,ro /run',
    ['failing mounts /run', 'failing space /run'],
    'mount -o remount,rw /run',
  ],
  [
    'netconfig is missing',
    `mv ${home}/rootfs/etc/netconfig ${home}/netconfig`,
    ['failing rootfs ROOT'],
    `mv ${home}/netconfig ${home}/rootfs/etc/netconfig`,
  ],
  ['the NFS state is missing', `rm -r ${state}`, [`failing mounts ${state}`], 'true'],
  ['the NFS state is incomplete', `rm -r ${state}/sm`, [`failing nfs-state ${state}`], `rm -r ${state}`],
  [
    'the disk of the NFS state is full',
    `mount -t tmpfs -o size=64k tmpfs ${state}
    mkdir ${state}/sm ${state}/sm.bak
    ${home}/mounter prepare
    cat /dev/zero >${state}/zero || true`,
    [`failing space ${state}`],
    `umount -l ${state}`,
  ],
];

for (const [title, script, expected, mend] of breakages) {
  test.serial(`${title}: found; v3 is refused, v4 works; mended as the hint says`, async (t) => {
    const root = await realpath(`${home}/rootfs`);
    await sh(script);
    t.deepEqual(
      await faults(),
      expected.map((line) => line.replace('ROOT', root)),
    );
    t.like((await examine()).verdict, { node: 'failing', types: { nfs: 'failing', nfs4: 'ready' } });
    const v3 = await mount('vers=3');
    t.is(v3.status, 32);
    t.log(v3.output);
    t.is((await mount('vers=4.2')).status, 0);
    await unmountAll();
    await sh(mend);
    t.is((await mounter('prepare')).status, 0);
    t.deepEqual(await faults(), []);
    t.is((await mount('vers=3')).status, 0);
  });
}

test.serial('a full /run is to be seen to, and keeps no mount from working', async (t) => {
  await sh('mount -o remount,size=100k /run; cat /dev/zero >/run/zero || true');
  const emptyRun = () => sh('rm -f /run/zero; mount -o remount,size=50% /run');
  t.teardown(emptyRun);
  t.deepEqual(await faults(), ['warning space /run']);
  t.like(await mount('vers=3'), { status: 0, output: '' });
  await emptyRun();
  t.deepEqual(await faults(), []);
});

async function hungVolumes(t: ExecutionContext, other: NfsServer): Promise<readonly string[]> {
  const targets: string[] = [];
  for (const [path, options] of [
    ['vol1', 'vers=3,nolock'],
    ['vol2', 'vers=4.2'],
    ['readonly', 'vers=3,nolock'],
  ] as const) {
    const target = await newTarget();
    t.is((await mountNfs(`${other.address}:/srv/${path}`, target, options)).status, 0);
    targets.push(target);
  }
  await other.dropPackets();
  return targets;
}

test.serial('three hard mounts whose server is silent: each named, within 5 s', async (t) => {
  const other = await startNfsServer({ name: 'hung', address: '10.9.4.1' });
  // Also after a failure: what hangs, and the server's processes, would keep the next file of tests from running.
  t.teardown(async () => {
    await other.passPackets().catch(() => {}); // They pass already.
    await unmountAll();
    await other.close();
  });
  const targets = await hungVolumes(t, other);
  const { status, milliseconds, findings } = await examine();
  // What the guest, whose CPU is emulated, takes to start the program at all is not the examination's.
  const { milliseconds: startMs } = await mounter('version');
  t.is(status, 0, 'other volumes can be mounted');
  t.log(`${milliseconds} ms, of which ${startMs} ms to start`);
  t.true(milliseconds - startMs < 5000, `${milliseconds} ms`);
  const volumes = findings.filter(({ check }) => check === 'volumes');
  t.deepEqual(
    volumes.map(({ level, subject }) => [level, subject]),
    targets.map((target) => ['warning', target]),
  );
  for (const { message } of volumes) t.regex(message, /^hangs: 10\.9\.4\.1 does not answer for 10\.9\.4\.1:/);
  const began = performance.now();
  t.deepEqual(await states(), ['silent', 'silent', 'silent']);
  const statusMs = performance.now() - began;
  t.true(statusMs - startMs < 6000, `${statusMs} ms`);
  await other.passPackets();
  // The kernel has doubled its pause between two tries by then.
  for (let tries = 0; tries < 20 && (await faults()).length > 0; tries += 1) await setTimeout(500);
  t.deepEqual(await faults(), []);
  t.deepEqual(await states(), ['alive', 'alive', 'alive']);
});

test.serial('a stale handle: the directory was made anew on the server', async (t) => {
  await sh(`mkdir ${server.directory}/vol1/old; touch ${server.directory}/vol1/old/file`);
  const { target, status } = await mount('vers=3,nolock', 'vol1/old');
  t.is(status, 0);
  await sh(`rm -r ${server.directory}/vol1/old; mkdir ${server.directory}/vol1/old`);
  // As its Pod does: a server with Linux 7 knows a directory that is gone until somebody looks into it.
  await sh(`ls ${target} || true`);
  const { findings } = await examine();
  const finding = findings.find(({ check }) => check === 'volumes');
  t.like(finding, { level: 'warning', subject: target });
  t.regex(finding?.message ?? '', /^is stale: 10\.9\.0\.1 /);
  t.deepEqual(await states(), ['stale']);
  t.regex(
    (await mounter('status', '--metrics')).output,
    /^mounter_volumes\{fstype="nfs",state="stale"\} 1$/m,
  );
});
