import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { examine, faults, faultsOf } from '../support/guest/examined.ts';
import { mounter, mountNfs, newTarget, unmountAll } from '../support/guest/node.ts';
import { killRpcProcesses } from '../support/guest/rpc.ts';
import { type NfsServer, startNfsServer } from '../support/guest/server.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { complaints } from '../support/node/examination.ts';

/** The examination on real NFS: what breaks is named, and the next mount heals it. Where it fails, see hints.test.ts. */

const { server } = vmNode(test);

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
  t.deepEqual(faultsOf(before), []);
  await mount('vers=3');
  await mount('vers=4.2');
  const after = await examine();
  t.is(after.status, 0);
  t.true(
    complaints(after).includes('warning locks port 111'),
    'rpcbind listens everywhere, and that is said',
  );
  t.deepEqual(faultsOf(after), []);
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
    t.deepEqual(faultsOf(examined), [expected]);
    const finding = examined.findings.find(({ check, level }) => check === 'locks' && level === 'warning');
    t.regex(finding?.message ?? '', /locks on mounted NFSv3 volumes hang or fail until then/);
    t.is((await mount('vers=3')).status, 0);
    t.deepEqual(await faults(), []);
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
  // What the guest, whose CPU is emulated, takes to start the program at all is not the examination's.
  const { milliseconds: startBeforeMs } = await mounter('version');
  const { status, milliseconds, findings } = await examine();
  const { milliseconds: startAfterMs } = await mounter('version');
  const moreMs = 2 * Math.max(startBeforeMs, startAfterMs);
  t.is(status, 0, 'other volumes can be mounted');
  t.log(`${milliseconds} ms; to start, before and after: ${startBeforeMs} and ${startAfterMs} ms`);
  t.true(milliseconds < 5000 + moreMs, `${milliseconds} ms`);
  const volumes = findings.filter(({ check }) => check === 'volumes');
  t.deepEqual(
    volumes.map(({ level, subject }) => [level, subject]),
    targets.map((target) => ['warning', target]),
  );
  for (const { message } of volumes) t.regex(message, /^hangs: 10\.9\.4\.1 does not answer for 10\.9\.4\.1:/);
  const began = performance.now();
  t.deepEqual(await states(), ['silent', 'silent', 'silent']);
  const statusMs = performance.now() - began;
  t.true(statusMs < 6000 + moreMs, `${statusMs} ms`);
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
