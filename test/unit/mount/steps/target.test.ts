import test, { type ExecutionContext } from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { runPlan } from '../../../../src/mount/run.ts';
import { isWithinVolume } from '../../../../src/node/within-volume.ts';
import type { HostModel, ModelMount } from '../../../support/model/host-model.ts';
import { contextOf, isHelper, nodes, planFor, target } from '../../../support/model/node-model.ts';

/** The directory to mount on: one call at a time, by a way that root alone can change, and not on another mount. */

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];
const nfsMount: ModelMount = { source: 'srv:/x', fstype: 'nfs4' };
const glusterMount: ModelMount = { source: 'srv:vol', fstype: 'fuse.glusterfs' };

async function fails(t: ExecutionContext, host: HostModel, argv = v4): Promise<MounterError> {
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)), { instanceOf: MounterError });
  t.deepEqual(host.commands, [], 'nothing may be run');
  t.deepEqual(host.openPaths, [], 'nothing may stay open');
  return error as MounterError;
}

/** What a call asks for, what is mounted there, and what of the one the other has not. */
const lacks: readonly (readonly [options: string, there: Partial<ModelMount>, lack: string | undefined])[] = [
  ['', { superOptions: 'ro,sec=sys' }, undefined],
  ['ro', {}, 'ro'],
  ['ro', { mountOptions: 'ro,relatime' }, undefined],
  ['ro', { superOptions: 'ro' }, undefined],
  ['ro,rw', {}, undefined],
  ['rw,ro', {}, 'ro'],
  ['nosuid,nodev,noexec', { mountOptions: 'rw,nosuid,noexec' }, 'nodev'],
  ['nosuid,suid', {}, undefined],
  ['user', { mountOptions: 'rw,nosuid,nodev' }, 'noexec'],
  ['user,exec', { mountOptions: 'rw,nosuid,nodev' }, undefined],
];
const nfsLacks: typeof lacks = [
  ['sec=krb5p', { superOptions: 'rw,sec=sys' }, 'sec=krb5p'],
  ['sec=krb5p', { superOptions: 'rw,sec=krb5i' }, 'sec=krb5p'],
  ['sec=krb5', { superOptions: 'rw,sec=krb5p' }, undefined],
  ['sec=krb5:sys', { superOptions: 'rw,sec=sys' }, undefined],
  ['sec=krb5p,sec=krb5i', { superOptions: 'rw,sec=krb5' }, 'sec=krb5p:krb5i'],
  ['sec=sys', { superOptions: 'rw,sec=null' }, 'sec=sys'],
  ['sec=none', { superOptions: 'rw,sec=null' }, undefined],
  ['sec=lkey', { superOptions: 'rw,sec=sys' }, 'sec=lkey'],
  ['sec=sys', { superOptions: 'rw,sec=lkey' }, 'sec=sys'],
  ['xprtsec=tls', { superOptions: 'rw,sec=sys' }, 'xprtsec=tls'],
  ['xprtsec=tls', { superOptions: 'rw,sec=sys,xprtsec=mtls' }, undefined],
  ['xprtsec=mtls', { superOptions: 'rw,sec=sys,xprtsec=tls' }, 'xprtsec=mtls'],
  ['xprtsec=mtls,xprtsec=none', { superOptions: 'rw,sec=sys' }, undefined],
];

for (const [way, node] of nodes) {
  test(`${way}: the source is there without what protects it and was asked for: no success, and it stays`, async (t) => {
    const nfs = [...lacks, ...nfsLacks].map((row) => ['nfs', 'srv:/x', nfsMount, row] as const);
    const all = [...nfs, ...lacks.map((row) => ['glusterfs', 'srv:vol', glusterMount, row] as const)];
    for (const [type, source, mount, [options, there, lack]] of all) {
      const host = node();
      host.mountOnHost(target, { ...mount, ...there });
      const argv = ['-t', type, ...(options === '' ? [] : ['-o', options]), source, target];
      const asked = `${type} ${options}: ${JSON.stringify(there)}`;
      if (lack === undefined) t.true((await runPlan(planFor(...argv), contextOf(host))).wasMounted, asked);
      else {
        const error = await fails(t, host, argv);
        t.like(error, { errorClass: 'busy', status: 32, subject: target }, asked);
        t.true(error.message.endsWith(`is mounted there already, without ${lack}`), error.message);
        t.true(error.hint?.startsWith(`run umount ${target} first`));
      }
      t.is(host.mounts.get(target)?.length, 1);
      t.deepEqual(host.commands, []);
    }
  });

  function nodeThatMounts(): HostModel {
    const host = node();
    host.onRun = (command) => {
      if (isHelper(command.argv))
        host.mountBy(command, command.argv[1] === 'srv:vol' ? glusterMount : nfsMount);
      return {};
    };
    return host;
  }

  test(`${way}: where nobody else is there, one look at the lock, whatever the type`, async (t) => {
    for (const argv of [v4, gluster]) {
      const host = nodeThatMounts();
      await runPlan(planFor(...argv), contextOf(host));
      t.is(host.looksAtLock.length, 1);
      t.is(host.now(), 0);
    }
  });

  test(`${way}: a second call waits for the first, finds its mount, and that is success`, async (t) => {
    for (const [argv, mount] of [
      [v4, nfsMount],
      [gluster, glusterMount],
    ] as const) {
      const host = nodeThatMounts();
      host.isLockFree = (look) => {
        if (look === 5) host.mountOnHost(target, mount);
        return look === 5;
      };
      t.true((await runPlan(planFor(...argv), contextOf(host))).wasMounted);
      t.deepEqual(host.commands, []);
      t.is(host.mounts.get(target)?.length, 1);
      t.true(host.now() > 0 && host.now() < 100, `${host.now()} ms`);
      t.deepEqual(host.openPaths, []);
    }
  });

  test(`${way}: one that asks for another source is busy, and the first one’s mount stays`, async (t) => {
    for (const mount of [{ ...nfsMount, source: 'other:/x' }, glusterMount]) {
      const host = nodeThatMounts();
      host.isLockFree = (look) => {
        if (look === 2) host.mountOnHost(target, mount);
        return look === 2;
      };
      const error = await fails(t, host);
      t.like(error, { errorClass: 'busy', status: 32, subject: target });
      t.true(error.message.startsWith(`${mount.source} (${mount.fstype})`));
      t.is(host.mounts.get(target)?.length, 1);
    }
  });

  test(`${way}: where the first one came to nothing, the second one mounts`, async (t) => {
    const host = nodeThatMounts();
    host.isLockFree = (look) => look === 3;
    t.false((await runPlan(planFor(...v4), contextOf(host))).wasMounted);
    t.is(host.mounts.get(target)?.length, 1);
  });

  test(`${way}: the wait counts among the time of the whole mount`, async (t) => {
    const host = nodeThatMounts();
    host.isLockFree = () => host.now() >= 60_000;
    await runPlan(planFor(...v4), contextOf(host));
    t.true((host.helpers[0]?.deadlineMs ?? 0) <= 50_000, `${host.helpers[0]?.deadlineMs}`);
  });

  test(`${way}: a call that has the lock for ever is waited for until the deadline`, async (t) => {
    const host = nodeThatMounts();
    host.isLockFree = () => false;
    const error = await fails(t, host);
    t.like(error, { errorClass: 'deadline', status: 32, subject: target });
    t.true(host.now() >= 110_000 && host.now() < 110_100, `${host.now()} ms`);
    t.true(host.looksAtLock.length < 110_000 / 15, 'it does not look all the time');
  });

  test(`${way}: an interrupt ends the wait: status 8`, async (t) => {
    const host = nodeThatMounts();
    host.isLockFree = (look) => {
      host.isInterrupted = look === 4;
      return false;
    };
    const error = await fails(t, host);
    t.like(error, { errorClass: 'interrupted', status: 8, subject: target });
    t.true(host.now() < 100);
  });

  test(`${way}: a mount whose daemon is gone is replaced`, async (t) => {
    const host = nodeThatMounts();
    const dead = host.mountOnHost(target, glusterMount);
    host.liveness.set(dead, 'dead');
    t.false((await runPlan(planFor(...gluster), contextOf(host))).wasMounted);
    t.deepEqual(host.detached, [target]);
    t.is(host.mounts.get(target)?.length, 1);
    t.not(host.mounts.get(target)?.[0], dead);
    t.deepEqual(host.openPaths, [target]);
  });

  test(`${way}: several dead ones on each other, too; one of another source beneath is busy`, async (t) => {
    const host = nodeThatMounts();
    for (let layer = 0; layer < 2; layer += 1)
      host.liveness.set(host.mountOnHost(target, glusterMount), 'dead');
    await runPlan(planFor(...gluster), contextOf(host));
    t.is(host.detached.length, 2);
    const other = nodeThatMounts();
    other.mountOnHost(target, { ...glusterMount, source: 'srv:other' });
    other.liveness.set(other.mountOnHost(target, glusterMount), 'dead');
    t.is((await fails(t, other, gluster)).errorClass, 'busy');
    t.is(other.mounts.get(target)?.length, 1);
  });

  test(`${way}: a dead mount of another source is that one’s matter`, async (t) => {
    const host = nodeThatMounts();
    host.liveness.set(host.mountOnHost(target, { ...glusterMount, source: 'srv:other' }), 'dead');
    t.is((await fails(t, host, gluster)).errorClass, 'busy');
    t.deepEqual(host.detached, []);
  });

  test(`${way}: a mount that is stale is no success: told, and left alone`, async (t) => {
    const host = nodeThatMounts();
    host.liveness.set(host.mountOnHost(target, nfsMount), 'stale');
    const error = await fails(t, host);
    t.like(error, { errorClass: 'stale', status: 32, subject: target });
    t.regex(error.message, /mounted there already, and stale/);
    t.true(error.hint?.includes(`umount -l ${target}`));
    t.is(host.mounts.get(target)?.length, 1);
  });

  test(`${way}: a mount whose server is silent is there, and goes on when that does: looked at within a limit`, async (t) => {
    const host = nodeThatMounts();
    host.liveness.set(host.mountOnHost(target, nfsMount), 'silent');
    t.true((await runPlan(planFor(...v4), contextOf(host))).wasMounted);
    t.is(host.now(), 2000);
    t.is(host.mounts.get(target)?.length, 1);
  });

  test(`${way}: a directory that others than root can write in is refused, and nothing is run`, async (t) => {
    for (const path of ['/var/lib/kubelet', '/var/lib/kubelet/pods', '/var/lib/kubelet/pods/uid/volumes']) {
      const host = nodeThatMounts();
      host.writable.add(path);
      const error = await fails(t, host);
      t.true(error.message.startsWith(`others than root can write in ${path},`), error.message);
      t.deepEqual(host.looksAtLock, [], 'a path of somebody else’s choice holds up nobody');
    }
  });

  test(`${way}: the target itself may be another user’s: what is in it is hidden`, async (t) => {
    const host = nodeThatMounts();
    host.writable.add(target);
    await runPlan(planFor(...v4), contextOf(host));
    t.is(host.mounts.get(target)?.length, 1);
  });

  test(`${way}: a target directly below the kubelet directory`, async (t) => {
    const host = nodeThatMounts();
    const at = '/var/lib/kubelet/test';
    host.directory(at).sameFile(at, `/home/mounter/rootfs${at}`);
    await runPlan(planFor('-t', 'nfs', '-o', 'vers=4', 'srv:/x', at), contextOf(host));
    t.is(host.mounts.get(at)?.length, 1);
  });
}

/** The number that a call locks for a target. */
async function lockOf(at: string, change: (host: HostModel) => void = () => {}): Promise<number> {
  const host = nodes[0][1]();
  host.onRun = (command) => {
    host.mountBy(command, nfsMount);
    return {};
  };
  host.directory(at);
  change(host);
  await runPlan(planFor('-t', 'nfs', '-o', 'vers=4', 'srv:/x', at), contextOf(host));
  return host.looksAtLock[0] ?? Number.NaN;
}

test('one target has one lock, whatever is asked for; another one has another', async (t) => {
  const base = '/var/lib/kubelet/pods/uid/volumes';
  const first = await lockOf(target);
  t.is(await lockOf(target), first);
  t.is(await lockOf(target, (host) => host.directory(target)), first, 'what the target is plays no part');
  const others = [
    await lockOf(`${base}/w`),
    await lockOf(target, (host) => host.directory(base)),
    await lockOf(target, (host) => host.file(base, { kind: 'directory', device: 2, inode: 10 })),
  ];
  t.is(new Set([first, ...others]).size, 4, `${[first, ...others]}`);
});

test('of thousands of targets no two have one lock, and each is a number that a file can be locked at', async (t) => {
  const numbers = new Set<number>();
  for (let index = 0; index < 3000; index += 1)
    numbers.add(await lockOf(`/var/lib/kubelet/pods/uid/volumes/pvc-${index}`));
  t.is(numbers.size, 3000);
  t.true([...numbers].every((number) => Number.isSafeInteger(number) && number >= 0 && number < 2 ** 52));
});

for (const [path, expected] of [
  ['pods/u/volumes/kubernetes.io~nfs/v', false],
  ['pods/u/volumes/kubernetes.io~csi/v/mount', false],
  ['pods/u/volumes/kubernetes.io~empty-dir/v/mount', true],
  ['pods/u/volumes/kubernetes.io~csi/v/mount/x', true],
  ['pods/u/volumes/kubernetes.io~nfs/v/x', true],
  ['pods/u/volume-subpaths/v/c/0', true],
  ['plugins/kubernetes.io/glusterfs/v', false],
  ['plugins/kubernetes.io/csi/driver/hash/globalmount', false],
  ['plugins/kubernetes.io/csi/driver/hash/globalmount/x', true],
  ['test', false],
] as const) {
  test(`${path} lies within a volume: ${expected}`, (t) => t.is(isWithinVolume(path), expected));
}

test('a target within a volume is refused, and nothing is run; what is mounted there already is there', async (t) => {
  const volume = '/var/lib/kubelet/pods/uid/volumes/kubernetes.io~nfs';
  const at = `${volume}/v/x`;
  const argv = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', at];
  for (const [, node] of nodes) {
    const host = node().directory(volume, `${volume}/v`, at);
    const error = await fails(t, host, argv);
    t.like(error, { errorClass: 'mount-point', status: 1 });
    host.mountOnHost(at, nfsMount);
    t.true((await runPlan(planFor(...argv), contextOf(host))).wasMounted);
  }
});
