import test from 'ava';
import {
  dist,
  installedMounter,
  kubeletDirectory,
  mounterHome,
  ScratchNode,
} from '../support/node/namespace.ts';
import { places, section } from '../support/texts/readme.ts';

/** As Kubernetes's cluster/gce/gci left a node: a script, a plain rootfs, and binds, made at two boots of kubelet. */
const original = `
  mkdir -p ${mounterHome}/rootfs${kubeletDirectory} ${mounterHome}/rootfs/proc ${mounterHome}/rootfs/sbin
  printf '#!/bin/sh\\nchroot ${mounterHome}/rootfs mount "$@"\\n' >${mounterHome}/mounter
  chmod 755 ${mounterHome}/mounter
  for boot in 1 2; do
    mount --rbind ${mounterHome} ${mounterHome}
    mount -o remount,exec ${mounterHome}
    mount --rbind ${kubeletDirectory} ${mounterHome}/rootfs${kubeletDirectory}
    mount --make-rshared ${mounterHome}/rootfs${kubeletDirectory}
    mount --bind -o ro /proc ${mounterHome}/rootfs/proc
  done
  volume=${kubeletDirectory}/pods/1/volumes/v
  mkdir -p $volume
  mount -t tmpfs volume $volume
  echo kept >$volume/file`;

test.serial('from the original mounter: as the page says it, with a volume mounted', async (t) => {
  t.timeout(600_000);
  await using node = await ScratchNode.start();
  await node.shell(original);
  const { commands } = section(places.migration[0] ?? '');
  for (const command of commands) {
    const { status, stdout, stderr } = await node.run(['bash', '-c', `cd ${dist}; ${command}`]);
    t.is(status, 0, `${command}\n${stdout}${stderr}`);
  }
  t.is(await node.shell(`cat ${kubeletDirectory}/pods/1/volumes/v/file`), 'kept\n');
  const dryRun = ['mount', '--dry-run', '-t', 'nfs', 'nfs.example:/export', `${kubeletDirectory}/pods/1`];
  t.regex(await node.mustRun(...dryRun), /run in the rootfs: \/sbin\/mount\.nfs /);
  const volumes = () => node.mountinfo().filter(({ mountPoint }) => mountPoint.endsWith('/volumes/v'));
  t.true(volumes().some(({ mountPoint }) => mountPoint.includes('/rootfs.original/')));
  await node.shell(`umount ${kubeletDirectory}/pods/1/volumes/v`);
  t.deepEqual(volumes(), []);

  // Kubelet's directory is still mounted in the old rootfs: it must not go with MOUNTER_HOME.
  await node.shell(`echo kept >${kubeletDirectory}/file`);
  const remove = () => node.run(['sh', '-c', `${installedMounter} teardown && rm -r ${mounterHome}`]);
  for (let binds = 2; binds > 0; binds -= 1) {
    const { status, stderr } = await remove();
    t.is(status, 2);
    t.regex(stderr, /\/rootfs\.original\/var\/lib\/kubelet: shows \/var\/lib\/kubelet: /);
    const [, hint = 'false'] = /, or run (.*); then mounter teardown again$/m.exec(stderr) ?? [];
    await node.shell(hint);
  }
  await node.shell(`while umount ${mounterHome}/rootfs.original/proc 2>/run/said; do :; done`);
  t.is((await remove()).status, 0);
  t.is(await node.shell(`ls -d ${mounterHome} || cat ${kubeletDirectory}/file`), 'kept\n');
});
