import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import {
  extractKubelet,
  type ImageEntry,
  kubeletImage,
  kubeletRoot,
} from '../support/kubelet/kubelet-image.ts';
import { describeMounts } from '../support/node/describe-mounts.ts';
import { kubeletDirectory, mounter, ScratchNode } from '../support/node/namespace.ts';

/** What a kubelet looks up, makes and binds on the host, done in an image by a stand-in that does it as a kubelet does. */

const image = await kubeletImage(
  ['srv/both', 'etc/both', 'usr/share/both', 'opt/both', 'data/both'].flatMap((directory): ImageEntry[] => [
    { name: directory, type: 'directory' },
    { name: `${directory}/file`, mode: 0o644, content: "the image's\n" },
  ]),
);

async function kubeletNode(propagation: 'shared' | 'private' = 'shared'): Promise<ScratchNode> {
  const node = await ScratchNode.prepared({ propagation, isWritable: true });
  await extractKubelet(node, { image });
  return node;
}

/**
 * All files that the node has other than the machine (those of an overlay lie in /mnt/upper), but those of /proc and the
 * like, those that the test has kubelets make, and the link that a teardown takes away.
 */
const listing =
  "find /mnt/upper /home /var/lib /tmp -xdev ! -name '*-absent-*' ! -name .mounter-namespaces | sort";

const types = [
  '',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
  'CharDevice',
  'BlockDevice',
] as const;
const kinds = ['absent', 'directory', 'file', 'socket', 'character-device', 'block-device', 'link'] as const;
/** A top-level directory that nobody has yet is made in the first. */
const places = [
  '',
  '/srv',
  '/srv/both',
  '/data/of/host',
  '/etc',
  '/home/user',
  '/opt',
  '/var/lib/kubelet',
  '/var/lib/kubelet/pods/uid',
  '/tmp',
  '/run',
  '/usr/share/both',
  '/usr/local',
  '/usr/libexec/kubernetes/kubelet-plugins/volume/exec',
  '/usr/lib/only-of-host',
  '/lib/modules',
] as const;

function outcome(type: (typeof types)[number], kind: (typeof kinds)[number]): string {
  if (type === '') return 'not looked at';
  if (kind === 'absent') return type.endsWith('OrCreate') ? 'ok' : 'not there';
  const fitting = {
    directory: ['Directory', 'DirectoryOrCreate'],
    link: ['Directory', 'DirectoryOrCreate'],
    file: ['File', 'FileOrCreate'],
    socket: ['Socket'],
    'character-device': ['CharDevice'],
    'block-device': ['BlockDevice'],
  }[kind];
  return fitting.includes(type) ? 'ok' : 'of another type';
}

const cases = places.flatMap((place) =>
  types.flatMap((type) => kinds.map((kind) => ({ place, type, kind }))),
);

/** For a kubelet that is called `who`, whose paths nobody else has. */
const pathOf = (who: string, { place, type, kind }: (typeof cases)[number]) =>
  `${place}/${who}-${kind}${kind === 'absent' ? `-${type}` : ''}`;

for (const propagation of ['shared', 'private'] as const) {
  test.serial(`/ ${propagation}: hostPath of every type, as a kubelet on the host has it`, async (t) => {
    await using node = await kubeletNode(propagation);
    const stands = `${kubeletRoot}/usr/local/bin/kubelet`;
    const everything = () => node.shell(listing);
    const mounts = describeMounts(node);
    await node.shell(
      places
        .flatMap((place) => [
          `mkdir -p ${place}/`,
          ...['host', 'image'].map(
            (
              who,
            ) => `cd ${place}/; mkdir ${who}-directory; ln -s ${who}-directory ${who}-link; echo >${who}-file
              ${stands} --socket=${who}-socket
              mknod ${who}-character-device c 1 3; mknod ${who}-block-device b 7 200`,
          ),
        ])
        .join('\n'),
    );
    const before = await everything();
    const flagsFor = (who: string) => cases.map((one) => `--hostpath=${one.type}:${pathOf(who, one)}`);
    const made = (who: string) =>
      node.shell(
        `stat -c '%n %F %a %U' ${places.map((place) => `${place}/${who}-absent-*`).join(' ')} | sed s/${who}-/WHO-/`,
      );
    const onHost = await node.run([stands, ...flagsFor('host')]);
    const inImage = await node.mounter('kubelet', '--', ...flagsFor('image'));
    t.deepEqual([inImage.status, inImage.stderr], [0, '']);
    const wanted = (who: string) =>
      cases.map((one) => `${one.type} ${pathOf(who, one)}: ${outcome(one.type, one.kind)}\n`).join('');
    t.is(onHost.stdout, wanted('host'));
    t.is(inImage.stdout, wanted('image'));
    t.is(await made('image'), await made('host'));
    const now = node.mountinfo();
    for (let restart = 1; restart <= 20; restart += 1)
      t.like(await node.mounter('kubelet', '-v', '--', '--exit=6'), { status: 6 });
    t.deepEqual(node.mountinfo(), now, 'nothing was mounted anew');
    await node.mustRun('teardown');
    t.is(await everything(), before, 'nothing was made in the image, or left on the host');
    t.is((await node.run(['ls', '/run/containerized-mounter/kubelet'])).status, 2);
    await node.mustRun('prepare');
    t.deepEqual(describeMounts(node), mounts);
  });
}

const pod = `${kubeletDirectory}/pods/uid`;

for (const rootDirectory of [kubeletDirectory, '/data/kubelet'] as const) {
  test.serial(
    `--root-dir ${rootDirectory}: hostPath with subPath is the host's, and seen there`,
    async (t) => {
      await using node = await kubeletNode();
      const volumes = [
        '/srv/both',
        '/etc/both',
        '/opt/both',
        '/data/both',
        '/usr/share/both',
        '/usr/lib/only-of-host',
        '/new/volume',
      ];
      await node.shell(
        [
          'mkdir -p /data/kubelet',
          ...volumes.map((path) => `mkdir -p ${path}/a/b; echo host >${path}/file; echo deep >${path}/a/b/c`),
        ].join('\n'),
      );
      await node.shell('ln -s a /srv/both/inside; ln -s /etc /srv/both/outside');
      const target = (index: number, part: string) =>
        `${rootDirectory}/pods/uid/volume-subpaths/v${index}/c/${part}`;
      const flags = volumes.flatMap((path, index) => [
        `--subpath=${path}:file:${target(index, 'file')}`,
        `--subpath=${path}:a:${target(index, 'a')}`,
      ]);
      const own = ['--', `--root-dir=${rootDirectory}`];
      t.like(await node.mounter('kubelet', ...own, ...flags), { status: 0, stderr: '', stdout: '' });
      for (const [index, path] of volumes.entries()) {
        t.is(node.read(target(index, 'file')), 'host\n', path);
        t.is(node.read(`${target(index, 'a')}/b/c`), 'deep\n', path);
        await node.shell(`echo later >${path}/a/b/c`);
        t.is(node.read(`${target(index, 'a')}/b/c`), 'later\n', path);
        t.is(node.entriesOf(target(index, 'a')).length, 1);
      }
      const inside = await node.mounter('kubelet', ...own, `--subpath=/srv/both:inside/b:${target(9, 'x')}`);
      t.is(inside.status, 0);
      t.is(node.read(`${target(9, 'x')}/c`), 'later\n');
      const outside = await node.mounter('kubelet', ...own, `--subpath=/srv/both:outside:${target(9, 'y')}`);
      t.is(outside.status, 11, 'it leads out of the volume');
      const umounts = volumes.flatMap((_, index) =>
        ['file', 'a'].map((part) => `umount ${target(index, part)}`),
      );
      t.is(
        (await node.mounter('kubelet', ...own, `--run=${umounts.join('; ')}; umount ${target(9, 'x')}`))
          .status,
        0,
      );
      t.deepEqual(
        node.mountinfo().filter(({ mountPoint }) => mountPoint.includes('volume-subpaths')),
        [],
      );
    },
  );
}

for (const propagation of ['shared', 'private'] as const) {
  test.serial(`/ ${propagation}: local volumes, and what others mount while the kubelet runs`, async (t) => {
    await using node = await kubeletNode(propagation);
    await node.shell(`mkdir -p /local/disk ${pod}/csi; echo beneath >/local/disk/file`);
    const mountDisk = 'mount -t tmpfs disk /local/disk; echo disk >/local/disk/file';
    // A mount of a private / is seen by nobody who was there before.
    if (propagation === 'private') await node.shell(mountDisk);
    const target = `${pod}/volumes/kubernetes.io~local-volume/pv`;
    const running = node.mounter(
      'kubelet',
      '--',
      '--run=touch /run/kubelet-runs; until test -e /run/others-have-mounted; do sleep 0.05; done',
      `--local=/local/disk:${target}`,
      `--hostpath=File:${pod}/csi/file`,
      `--run=umount ${pod}/csi`,
    );
    while ((await node.run(['test', '-e', '/run/kubelet-runs'])).status !== 0) await setTimeout(20);
    if (propagation === 'shared') await node.shell(mountDisk);
    await node.shell(`mount -t tmpfs csi ${pod}/csi; echo >${pod}/csi/file; touch /run/others-have-mounted`);
    t.like(await running, { status: 0, stdout: `File ${pod}/csi/file: ok\n` });
    t.is(node.read(`${target}/file`), 'disk\n');
    t.is(node.entriesOf(target).length, 1);
    t.is(node.entriesOf(`${pod}/csi`).length, 0, 'unmounted on the host as well');
    await node.shell(`umount ${target} /local/disk`);
  });
}

test.serial('static Pods, and a device plugin', async (t) => {
  await using node = await kubeletNode();
  await node.shell(
    'mkdir -p /etc/kubernetes/manifests /srv/both/manifests; touch /etc/kubernetes/manifests/a.yaml /srv/both/manifests/b.yaml',
  );
  const listed = await node.mounter(
    'kubelet',
    '--',
    '--static-pods=/etc/kubernetes/manifests',
    '--static-pods=/srv/both/manifests',
  );
  t.is(listed.stdout, 'a.yaml\nb.yaml\n');
  const plugins = `${kubeletDirectory}/device-plugins`;
  const running = node.mounter('kubelet', '--', `--device-plugins=${plugins}`);
  while ((await node.run(['test', '-S', `${plugins}/kubelet.sock`])).status !== 0) await setTimeout(20);
  const plugin = createServer((kubelet) => kubelet.once('data', () => kubelet.end('/dev/null')));
  await new Promise<void>((resolve) => plugin.listen(node.path(`${plugins}/plugin.sock`), resolve));
  connect(node.path(`${plugins}/kubelet.sock`)).end('plugin.sock');
  t.like(await running, { status: 0, stdout: 'plugin.sock has /dev/null\n/dev/null is a device\n' });
  plugin.close();
});

test.serial(
  "programs and libraries are the image's; what only the host has of them is there as well",
  async (t) => {
    await using node = await ScratchNode.prepared({ isWritable: true });
    const script = (text: string): Pick<ImageEntry, 'content'> => ({
      content: `#!/bin/sh\necho "${text}"\n`,
    });
    await extractKubelet(node, {
      image: await kubeletImage([
        { name: 'usr/sbin/both', ...script("the image's both") },
        { name: 'usr/sbin/iptables-own', ...script("the image's iptables") },
        { name: 'usr/sbin/iptables', type: 'symlink', linkname: '/etc/alternatives/iptables' },
        { name: 'etc/alternatives/iptables', type: 'symlink', linkname: '/usr/sbin/iptables-own' },
        { name: 'opt/tools/bin/tool', ...script("the image's tool") },
        { name: 'top', ...script("the image's top") },
        { name: 'usr/lib/os-release', mode: 0o644, content: 'ID=image\n' },
      ]),
    });
    await node.shell(`mkdir -p /opt/tools /lib/modules/6.1 /usr/libexec/kubernetes; echo host >/lib/modules/6.1/dep
    for name in both only-host; do printf '#!/bin/sh\\necho the host has %s\\n' $name >/usr/sbin/$name; chmod +x /usr/sbin/$name; done
    ln -s ../lib/modules/6.1/dep /usr/bin/relative-link; touch /usr/lib/libforeign.so.1; rm -f /etc/alternatives/iptables`);
    const inKubelet = async (script: string) => {
      const { status, stdout, stderr } = await node.mounter('kubelet', '--', '/bin/sh', '-euc', script);
      if (status !== 0) throw new Error(stderr);
      return stdout;
    };
    t.is(
      await inKubelet(`both; only-host; iptables; cat /usr/bin/relative-link /lib/modules/6.1/dep
      test ! -e /usr/lib/libforeign.so.1; grep -m1 ^ID= /usr/lib/os-release; grep -m1 ^ID= /etc/os-release
      test ! -e /top; mkdir /usr/libexec/kubernetes/made /opt/tools/made; ! mkdir /usr/sbin/made 2>/dev/null`),
      "the image's both\nthe host has only-host\nthe image's iptables\nhost\nhost\nID=debian\nID=debian\n",
    );
    const strict = 'umask 077; exec "$@" stat -c %a /usr/bin /usr/lib';
    t.is(
      await node.shell(`set -- ${mounter} kubelet --; ${strict}`),
      '755\n755\n',
      "whatever the caller's umask",
    );
    await node.shell('rmdir /usr/libexec/kubernetes/made /opt/tools/made; test ! -e /usr/sbin/made');
    t.is(
      (await node.mounter('kubelet', '--', '/top')).stdout,
      "the image's top\n",
      'it is run by its own path',
    );
    await node.shell('echo ID=changed >/usr/lib/new; mv /usr/lib/new /usr/lib/os-release');
    t.is(await inKubelet('cat /etc/os-release'), 'ID=changed\n');
  },
);

test.serial("a library of the host's, by its ld.so.cache, is not taken for the image's own", async (t) => {
  await using node = await kubeletNode();
  const version = ['kubelet', '--', 'mount', '--version'] as const;
  const before = await node.mustRun(...version);
  await node.shell(`mkdir -p /usr/local/lib
    : | gcc -shared -x c -Wl,-soname,libmount.so.1 -o /usr/local/lib/libmount.so.1 -
    ldconfig; ! mount --version 2>/dev/null`);
  t.is(await node.mustRun(...version), before);
});
