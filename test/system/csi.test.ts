import { existsSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import test from 'ava';
import { type Client, connectClient, type Driver, startDriver } from '../support/csi/driver.ts';
import {
  capability,
  driverName,
  registrySocket,
  socket,
  type TestVolume,
  testVolume,
} from '../support/csi/requests.ts';
import { daemonsOf, type Setting, setting } from '../support/gluster/gluster-node.ts';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { installedMounter, kubeletDirectory, ScratchNode } from '../support/node/namespace.ts';

/** The CSI driver on real GlusterFS, called by a client that is not ours. */

let place: Setting;
let driver: Driver;
let client: Client;

test.before(async () => {
  place = await setting();
  driver = await startDriver(place.node);
  client = await connectClient(place.node);
});

test.after.always(async () => {
  await client?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

let volumes = 0;

/** With the directories that kubelet makes. */
async function newVolume(attributes: object = {}): Promise<TestVolume> {
  volumes += 1;
  const context = { type: 'glusterfs', server: place.server.address, volume: 'v1', ...attributes };
  const volume = testVolume(`volume-${volumes}`, context);
  await place.node.shell(`mkdir -p ${volume.directories(4).join(' ')}`);
  return volume;
}

const node = (method: string, request: object, seconds?: number) =>
  client.call('Node', `Node${method}`, request, seconds);

test.serial('it says who it is, and what it can', async (t) => {
  const { answer } = await client.call('Identity', 'GetPluginInfo');
  t.is(answer.name, driverName);
  t.regex(answer.vendorVersion, /^\d+\.\d+\.\d+/);
  t.deepEqual((await client.call('Identity', 'GetPluginCapabilities')).answer, {});
  t.deepEqual((await client.call('Identity', 'Probe')).answer, { ready: { value: true } });
  t.deepEqual((await client.call('Controller', 'ControllerGetCapabilities')).answer, {});
  t.deepEqual((await node('GetInfo', {})).answer, { nodeId: 'node-1' });
  for (const served of [socket, registrySocket]) t.is(statSync(place.node.path(served)).mode & 0o777, 0o600);
  const { capabilities } = (await node('GetCapabilities', {})).answer;
  t.deepEqual(
    capabilities.map(({ rpc }: { rpc: { type: string } }) => rpc.type),
    ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'VOLUME_CONDITION', 'SINGLE_NODE_MULTI_WRITER'],
  );
});

test.serial('kubelet learns of it by its registration', async (t) => {
  await using registration = await connectClient(place.node, registrySocket);
  const { answer } = await registration.call('Registration', 'GetInfo');
  t.deepEqual(answer, {
    type: 'CSIPlugin',
    name: driverName,
    endpoint: socket,
    supportedVersions: ['1.0.0'],
  });
  const told = { pluginRegistered: true, error: '' };
  t.is((await registration.call('Registration', 'NotifyRegistrationStatus', told)).code, 'OK');
  await ended(() => driver.output().includes(`${driverName}: registered with kubelet`));
  t.regex(
    driver.output(),
    new RegExp(
      `^${driverName}: serves nfs and glusterfs at ${socket}, version .*; waits for .*${registrySocket}$`,
      'm',
    ),
  );
});

test.serial('what it is asked for a volume is counted, by method, code and type', async (t) => {
  const volume = await newVolume();
  const seen = async () => {
    const text = await place.node.mustRun('status', '--metrics');
    const counts = [
      ...text.matchAll(/^mounter_csi_operations_total\{method="(\w+)",code="(\w+)",type="(\w+)"\} (\d+)$/gm),
    ];
    return new Map(counts.map(([, ...words]) => [words.slice(0, 3).join(' '), Number(words[3])]));
  };
  const calls = ['NodeStageVolume', 'NodePublishVolume', 'NodeUnpublishVolume', 'NodeUnstageVolume'];
  await node('StageVolume', volume.staged);
  await node('PublishVolume', volume.published(1));
  await node('PublishVolume', { ...volume.published(1), targetPath: '' });
  await node('UnpublishVolume', volume.unpublished(1));
  await node('UnstageVolume', volume.unstaged);
  // Written a second after a call; the last one comes with all others.
  let counts = await seen();
  for (let look = 0; look < 60 && !counts.has('NodeUnstageVolume OK glusterfs'); look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    counts = await seen();
  }
  for (const method of calls)
    t.true((counts.get(`${method} OK glusterfs`) ?? 0) >= 1, `${method} ${[...counts]}`);
  t.true((counts.get('NodePublishVolume INVALID_ARGUMENT glusterfs') ?? 0) >= 1);
  t.is(counts.get('NodeGetInfo OK unknown'), undefined);
});

test.serial('a client is served whatever authority it sends', async (t) => {
  for (const authority of [socket, '%2Fcsi.sock', 'unix:///csi.sock', 'a b', 'localhost']) {
    await using other = await connectClient(place.node, socket, authority);
    const { code, message } = await other.call('Identity', 'Probe');
    t.is(code, 'OK', `${authority}: ${message}`);
  }
});

test.serial('a volume is mounted once, and each Pod sees it with flags of its own', async (t) => {
  const volume = await newVolume();
  for (const round of [1, 2]) {
    t.like(await node('StageVolume', volume.staged), { code: 'OK' }, `${round}`);
    t.like(await node('PublishVolume', volume.published(1)), { code: 'OK' });
    t.like(await node('PublishVolume', volume.published(2, { readonly: true })), { code: 'OK' });
    const asked = { volumeCapability: capability('MULTI_NODE_MULTI_WRITER', ['suid', 'dev', 'noexec']) };
    t.like(await node('PublishVolume', volume.published(3, asked)), { code: 'OK' });
    const both = {
      volumeCapability: capability('MULTI_NODE_MULTI_WRITER', ['suid,dev,noexec,ro', 'nosuid,nodev,exec,rw']),
    };
    t.like(await node('PublishVolume', volume.published(4, both)), { code: 'OK' });
  }
  t.is(daemonsOf(volume.staging).length, 1);
  const flags = [1, 2, 3, 4].map((pod) =>
    place.node.entriesOf(volume.target(pod)).map(({ mountOptions }) => mountOptions.join()),
  );
  t.deepEqual(flags, [
    ['rw,nosuid,nodev,relatime'],
    ['ro,nosuid,nodev,relatime'],
    ['rw,noexec,relatime'],
    ['rw,nosuid,nodev,relatime'],
  ]);
  await place.node.shell(`echo of pod 1 >${volume.target(1)}/file`);
  t.is(await place.node.shell(`cat ${volume.target(2)}/file`), 'of pod 1\n');
  t.not((await place.node.run(['touch', `${volume.target(2)}/other`])).status, 0);

  for (const pod of [1, 2, 3, 4, 1, 2, 3, 4])
    t.like(await node('UnpublishVolume', volume.unpublished(pod)), { code: 'OK' });
  t.false(existsSync(place.node.path(volume.target(1))));
  t.is(daemonsOf(volume.staging).length, 1);
  for (const _ of [1, 2]) t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
  t.deepEqual(place.node.entriesOf(volume.staging), []);
  await ended(() => daemonsOf(volume.staging).length === 0);
  t.true(existsSync(place.node.path(volume.staging)), 'the directory is the caller’s');
});

async function ended(isSo: () => boolean): Promise<void> {
  for (let look = 0; !isSo() && look < 500; look += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  if (!isSo()) throw new Error('not within 10 s');
}

test.serial('a volume for one Pod alone is shown to no second one', async (t) => {
  const volume = await newVolume();
  const alone = { volumeCapability: capability('SINGLE_NODE_SINGLE_WRITER') };
  await node('StageVolume', { ...volume.staged, ...alone });
  for (const _ of [1, 2]) t.like(await node('PublishVolume', volume.published(1, alone)), { code: 'OK' });
  const second = await node('PublishVolume', volume.published(2, alone));
  t.is(second.code, 'FAILED_PRECONDITION');
  t.regex(second.message, /for one Pod alone .*and \/.*-1\/.* shows it/);
  await node('UnpublishVolume', volume.unpublished(1));
  t.like(await node('PublishVolume', volume.published(2, alone)), { code: 'OK' });
  await node('UnpublishVolume', volume.unpublished(2));
  t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
});

test.serial('a volume for one Pod alone, where the kubelet directory is a symlink', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  await using moved = await ScratchNode.installed({ enterNetwork: server.enter });
  await moved.shell(
    `rmdir ${kubeletDirectory}; mkdir -p /var/lib/data/kubelet; ln -s data/kubelet ${kubeletDirectory}`,
  );
  await moved.mustRun('prepare');
  await startDriver(moved);
  await using own = await connectClient(moved);
  const volume = testVolume('alone', { type: 'glusterfs', server: server.address, volume: 'v1' });
  await moved.shell(`mkdir -p ${volume.directories(2).join(' ')}`);
  const alone = { volumeCapability: capability('SINGLE_NODE_SINGLE_WRITER') };
  t.like(await own.call('Node', 'NodeStageVolume', { ...volume.staged, ...alone }), { code: 'OK' });
  for (const code of ['OK', 'OK'])
    t.like(await own.call('Node', 'NodePublishVolume', volume.published(1, alone)), { code });
  const second = await own.call('Node', 'NodePublishVolume', volume.published(2, alone));
  t.is(second.code, 'FAILED_PRECONDITION', second.message);
});

test.serial(
  'before Linux 5.12, which has no mount_setattr(2), a Pod sees flags of its own all the same',
  async (t) => {
    const volume = await newVolume();
    await node('StageVolume', volume.staged);
    await place.node.shell(`mount -o remount,bind,noexec ${volume.staging}`);
    const publish = [installedMounter, 'volume', 'publish', volume.staging, volume.target(1), 'ro', 'nosuid'];
    const trace = ['strace', '-f', '-qq', '-o', '/tmp/trace', '-e', 'trace=mount_setattr'];
    const ran = await place.node.run([...trace, '-e', 'inject=mount_setattr:error=ENOSYS', ...publish]);
    t.deepEqual(ran, { status: 0, stdout: '', stderr: '' });
    t.regex(place.node.read('/tmp/trace'), /ENOSYS .*INJECTED/);
    const [staged, shown] = [volume.staging, volume.target(1)].map((path) => place.node.entriesOf(path));
    const optionsOf = (entries: typeof staged) => entries?.map(({ mountOptions }) => mountOptions.join());
    t.deepEqual(optionsOf(staged), ['rw,noexec,relatime']);
    t.deepEqual(optionsOf(shown), ['ro,nosuid,noexec,relatime']);
    await place.node.shell(`mkdir ${volume.staging}/within; mount -t tmpfs tmpfs ${volume.staging}/within`);
    t.is(place.node.mountinfo().filter(({ mountPoint }) => mountPoint.endsWith('/within')).length, 1);
    await place.node.shell(`umount ${volume.staging}/within`);
    t.like(await node('UnpublishVolume', volume.unpublished(1)), { code: 'OK' });
    t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
  },
);

test.serial('what is mounted below one Pod’s volume shows in no other', async (t) => {
  const volume = await newVolume({ volume: 'v2' });
  await node('StageVolume', volume.staged);
  for (const pod of [1, 2]) t.like(await node('PublishVolume', volume.published(pod)), { code: 'OK' });
  await place.node.shell(`mkdir -p ${volume.target(1)}/sub; mount -t tmpfs tmpfs ${volume.target(1)}/sub`);
  t.is(place.node.mountinfo().filter(({ mountPoint }) => mountPoint.endsWith('/sub')).length, 1);
  await place.node.shell(`umount ${volume.target(1)}/sub`);
  for (const pod of [1, 2]) t.like(await node('UnpublishVolume', volume.unpublished(pod)), { code: 'OK' });
  t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
});

test.serial(
  'statistics, and the condition of a volume whose daemon hangs, is dead, and is back',
  async (t) => {
    const volume = await newVolume();
    await node('StageVolume', volume.staged);
    await node('PublishVolume', volume.published(1));
    const asked = { volumeId: 'x', volumePath: volume.target(1) };
    const { answer } = await node('GetVolumeStats', asked);
    t.deepEqual(answer.volumeCondition, { message: 'it answers' });
    const [bytes, inodes] = answer.usage;
    t.is(bytes.unit, 'BYTES');
    t.is(inodes.unit, 'INODES');
    const [total, free] = (await place.node.shell(`stat -f -c '%b %f' ${volume.target(1)}`))
      .split(' ')
      .map(Number);
    t.true(Number(bytes.total) > 0 && Number(bytes.total) % (total ?? 0) === 0);
    t.true(Number(bytes.used) < Number(bytes.total) && (free ?? 0) > 0);

    const [daemon = 0] = daemonsOf(volume.staging);
    process.kill(daemon, 'SIGSTOP');
    const hanging = await node('GetVolumeStats', asked);
    t.true(hanging.ms < 15_000, `${hanging.ms} ms`);
    t.true(hanging.answer.volumeCondition.abnormal);
    t.regex(hanging.answer.volumeCondition.message, /FUSE daemon hangs/);
    process.kill(daemon, 'SIGKILL');
    await ended(() => daemonsOf(volume.staging).length === 0);
    const dead = await node('GetVolumeStats', asked);
    t.deepEqual(dead.answer.volumeCondition, { abnormal: true, message: 'its FUSE daemon is gone' });

    // The next Pod needs no help: what it is shown is mounted anew.
    t.like(await node('PublishVolume', volume.published(2)), { code: 'OK' });
    await place.node.shell(`ls ${volume.target(2)}`);
    for (const pod of [1, 2]) t.like(await node('UnpublishVolume', volume.unpublished(pod)), { code: 'OK' });
    t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
    t.like(await node('GetVolumeStats', asked), { code: 'NOT_FOUND' });
  },
);

/** What is wrong, what it is about, and what the code has to be. */
const refused: readonly (readonly [
  method: string,
  request: (volume: TestVolume) => object,
  code: string,
  words: RegExp,
])[] = [
  ['StageVolume', (v) => ({ ...v.staged, volumeId: '' }), 'INVALID_ARGUMENT', /^volume_id: is missing/],
  [
    'StageVolume',
    (v) => ({ ...v.staged, stagingTargetPath: '' }),
    'INVALID_ARGUMENT',
    /^staging_target_path: is missing/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, stagingTargetPath: 'relative' }),
    'INVALID_ARGUMENT',
    /absolute path/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, stagingTargetPath: `${v.staging}/../x` }),
    'INVALID_ARGUMENT',
    /absolute path/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, stagingTargetPath: '/etc' }),
    'INVALID_ARGUMENT',
    /^staging_target_path: \/etc: .*not below a directory/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, stagingTargetPath: `${v.staging}-missing` }),
    'INVALID_ARGUMENT',
    /^staging_target_path: .*does not exist/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeCapability: undefined }),
    'INVALID_ARGUMENT',
    /^volume_capability: is missing/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeCapability: { block: {}, accessMode: { mode: 1 } } }),
    'FAILED_PRECONDITION',
    /block device/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeCapability: { mount: {} } }),
    'INVALID_ARGUMENT',
    /access_mode/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeCapability: { mount: {}, accessMode: { mode: 99 } } }),
    'FAILED_PRECONDITION',
    /^volume_capability\.access_mode: is 99/,
  ],
  [
    'StageVolume',
    (v) => ({
      ...v.staged,
      volumeCapability: { mount: { volumeMountGroup: '1000' }, accessMode: { mode: 5 } },
    }),
    'FAILED_PRECONDITION',
    /^volume_capability\.mount\.volume_mount_group/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { server: 's', Server: 't', share: '/x' } }),
    'INVALID_ARGUMENT',
    /^volume_context\[server\]: is given twice/i,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { type: 'nfs' } }),
    'INVALID_ARGUMENT',
    /volume_context\[server\]: is missing/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { server: 's', shar: '/x' } }),
    'INVALID_ARGUMENT',
    /did you mean share/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { server: 's', share: 'x' } }),
    'INVALID_ARGUMENT',
    /begin it with a slash/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { type: 'ceph', server: 's' } }),
    'INVALID_ARGUMENT',
    /nfs or glusterfs/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { server: 's', share: '/x', volume: 'v' } }),
    'INVALID_ARGUMENT',
    /does not go with/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { server: 's', share: '/x', subDir: '../y' } }),
    'INVALID_ARGUMENT',
    /subDir/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { type: 'glusterfs', server: 's'.repeat(70_000), volume: 'v' } }),
    'INVALID_ARGUMENT',
    /^.{2000,3000}$/,
  ],
  ['StageVolume', (v) => ({ ...v.staged, secrets: { password: 'x' } }), 'INVALID_ARGUMENT', /^secrets: /],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeCapability: capability('SINGLE_NODE_WRITER', ['xlator-option=*.evil=on']) }),
    'INVALID_ARGUMENT',
    /xlator-option/,
  ],
  [
    'StageVolume',
    (v) => ({ ...v.staged, volumeContext: { type: 'glusterfs', server: '10.77.0.1', volume: 'nosuch' } }),
    'NOT_FOUND',
    /nosuch/,
  ],
  ['UnstageVolume', (v) => ({ ...v.unstaged, volumeId: '' }), 'INVALID_ARGUMENT', /^volume_id/],
  [
    'UnstageVolume',
    (v) => ({ ...v.unstaged, stagingTargetPath: '' }),
    'INVALID_ARGUMENT',
    /^staging_target_path/,
  ],
  [
    'PublishVolume',
    (v) => v.published(1),
    'FAILED_PRECONDITION',
    /^staging_target_path: .*stage the volume first/,
  ],
  [
    'PublishVolume',
    (v) => v.published(1, { stagingTargetPath: '' }),
    'FAILED_PRECONDITION',
    /stage the volume first/,
  ],
  ['PublishVolume', (v) => v.published(1, { volumeId: '' }), 'INVALID_ARGUMENT', /^volume_id/],
  ['PublishVolume', (v) => v.published(1, { targetPath: '' }), 'INVALID_ARGUMENT', /^target_path/],
  [
    'PublishVolume',
    (v) => v.published(1, { volumeCapability: undefined }),
    'INVALID_ARGUMENT',
    /^volume_capability/,
  ],
  [
    'PublishVolume',
    (v) =>
      v.published(1, { volumeContext: { server: 's', share: '/x', 'csi.storage.k8s.io/ephemeral': 'true' } }),
    'INVALID_ARGUMENT',
    /inline/,
  ],
  ['UnpublishVolume', (v) => ({ ...v.unpublished(1), volumeId: '' }), 'INVALID_ARGUMENT', /^volume_id/],
  ['UnpublishVolume', (v) => ({ ...v.unpublished(1), targetPath: '' }), 'INVALID_ARGUMENT', /^target_path/],
  [
    'UnpublishVolume',
    (v) => ({ ...v.unpublished(1), targetPath: '/etc/x' }),
    'INVALID_ARGUMENT',
    /^target_path: \/etc\/x: .*not below a directory/,
  ],
  ['GetVolumeStats', () => ({ volumeId: '', volumePath: '/x' }), 'INVALID_ARGUMENT', /^volume_id/],
  ['GetVolumeStats', () => ({ volumeId: 'x', volumePath: '' }), 'INVALID_ARGUMENT', /^volume_path/],
  [
    'GetVolumeStats',
    (v) => ({ volumeId: 'x', volumePath: v.target(1) }),
    'NOT_FOUND',
    /no volume is mounted/,
  ],
];

test.serial(
  'bad input is told by field, with the code of the specification, and leaves nothing behind',
  async (t) => {
    const volume = await newVolume();
    for (const [method, request, code, words] of refused) {
      const answered = await node(method, request(volume));
      const title = `${method} ${words}: ${answered.message}`;
      t.is(answered.code, code, title);
      t.regex(answered.message, words, title);
    }
    t.deepEqual(
      place.node.mountinfo().filter(({ mountPoint }) => mountPoint.startsWith(volume.staging)),
      [],
    );
  },
);

test.serial('what is told of a failure fits into an event, and is the same each time', async (t) => {
  const volume = await newVolume({ volume: 'nosuch' });
  const [first, second] = [
    await node('StageVolume', volume.staged),
    await node('StageVolume', volume.staged),
  ];
  t.is(first.code, 'NOT_FOUND');
  t.is(first.message, second.message);
  t.false(first.message.includes(volume.staging), first.message);
  t.true(first.message.length < 800, first.message);
});

test.serial('a target that shows something else is left as it is', async (t) => {
  const volume = await newVolume();
  await node('StageVolume', volume.staged);
  await place.node.shell(`mkdir -p ${volume.target(1)}; mount -t tmpfs other ${volume.target(1)}`);
  t.like(await node('PublishVolume', volume.published(1)), { code: 'ALREADY_EXISTS' });
  await place.node.shell(`umount ${volume.target(1)}`);
  t.like(await node('PublishVolume', volume.published(1)), { code: 'OK' });
  t.like(await node('PublishVolume', volume.published(1, { readonly: true })), { code: 'ALREADY_EXISTS' });
  await node('UnpublishVolume', volume.unpublished(1));
  t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
});

test.serial('no file is removed, of the volume or beneath it', async (t) => {
  const volume = await newVolume();
  await place.node.shell(
    `mkdir -p ${volume.target(1)}; echo precious >${volume.target(1)}/file; touch ${volume.target(2)}`,
  );
  const answered = await node('UnpublishVolume', volume.unpublished(1));
  t.like(answered, { code: 'FAILED_PRECONDITION' });
  t.regex(answered.message, /not empty/);
  t.is(await place.node.shell(`cat ${volume.target(1)}/file`), 'precious\n');
  // What a publish of a block device would have left.
  t.like(await node('UnpublishVolume', volume.unpublished(2)), { code: 'OK' });
  t.false(existsSync(place.node.path(volume.target(2))));
});

test.serial(
  'what is no volume of the driver, or lies within one, is neither shown, mounted on nor taken away',
  async (t) => {
    const volume = await newVolume();
    const secret = `${kubeletDirectory}/pods/another/volumes/kubernetes.io~projected/token`;
    await place.node.shell(`mkdir -p ${secret}; mount -t tmpfs secret ${secret}`);
    t.like(await node('PublishVolume', volume.published(1, { stagingTargetPath: secret })), {
      code: 'FAILED_PRECONDITION',
    });
    for (const answered of [
      await node('UnpublishVolume', { volumeId: 'x', targetPath: secret }),
      await node('UnstageVolume', { volumeId: 'x', stagingTargetPath: secret }),
    ])
      t.regex(answered.message, /secret \(tmpfs\) is mounted there/);
    t.is(place.node.entriesOf(secret).length, 1);
    await place.node.shell(`umount ${secret}`);

    await node('StageVolume', volume.staged);
    await node('PublishVolume', volume.published(1));
    for (const directory of [volume.staging, volume.target(1)]) {
      const [empty, within] = [`${directory}/of-the-pod`, { targetPath: `${directory}/of-the-pod` }];
      await place.node.shell(`mkdir -p ${empty}`);
      t.regex((await node('PublishVolume', volume.published(2, within))).message, /within a volume/);
      t.regex((await node('UnpublishVolume', { volumeId: 'x', ...within })).message, /within a volume/);
      t.true(existsSync(place.node.path(empty)));
    }
    // The same path, written otherwise.
    const targetPath = volume.target(1).replaceAll('/', '//');
    t.like(await node('UnpublishVolume', { volumeId: 'x', targetPath }), { code: 'OK' });
    t.deepEqual(place.node.entriesOf(volume.target(1)), []);
    t.like(await node('UnstageVolume', volume.unstaged), { code: 'OK' });
  },
);

test.serial('its socket is taken over from a dead driver, and not from a living one', async (t) => {
  const { status, stderr } = await place.node.run([installedMounter, 'csi']);
  t.is(status, 2);
  t.regex(stderr, /another driver serves there/);
  const other = ['--name', 'other.csi'];
  const first = await startDriverNamed(other);
  await first.kill('SIGKILL');
  const second = await startDriverNamed(other);
  // Somebody tidies up, and a third one starts.
  await place.node.shell(`rm ${kubeletDirectory}/plugins/other.csi/csi.sock \
    ${kubeletDirectory}/plugins_registry/other.csi-reg.sock`);
  const third = await startDriverNamed(other);
  const path = place.node.path(`${kubeletDirectory}/plugins/other.csi/csi.sock`);
  await second.kill('SIGTERM');
  t.true(existsSync(path), 'that of another one stays');
  await third.kill('SIGTERM');
  t.false(existsSync(path), 'it has tidied up');
});

async function startDriverNamed(flags: readonly string[]): Promise<Driver> {
  const started = await startDriver(place.node, ...flags);
  const path = place.node.path(`${kubeletDirectory}/plugins/other.csi/csi.sock`);
  await new Promise<void>((resolve, reject) => {
    const retry = (left: number) => {
      const connection = connect(path, () => {
        connection.destroy();
        resolve();
      }).on('error', (error) => (left > 0 ? setTimeout(retry, 20, left - 1) : reject(error)));
    };
    retry(500);
  });
  return started;
}
