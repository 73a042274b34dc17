import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import {
  type Answered,
  type Client,
  connectClient,
  type Driver,
  startDriver,
} from '../support/csi/driver.ts';
import { capability, kubernetes, type TestVolume, testVolume } from '../support/csi/requests.ts';
import { daemonsOf, newTarget, type Setting, setting } from '../support/gluster/gluster-node.ts';
import { installedMounter, mounterHome } from '../support/node/namespace.ts';

/** Who may have which volume of real GlusterFS, inline or by a claim, by the namespace that kubelet tells. */

let place: Setting;
let driver: Driver;
let client: Client;

test.before(async () => {
  place = await setting();
  const { address: server } = place.server;
  set([
    { server, volume: 'v1', namespaces: ['team-a', 'dev-*'], inline: true },
    { server, volume: 'v2' },
  ]);
  driver = await startDriver(place.node);
  client = await connectClient(place.node);
});

test.after.always(async () => {
  await client?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

/** `policy.sources`, as an operator changes it. */
function set(sources: readonly object[]): void {
  writeFileSync(
    place.node.path(`${mounterHome}/node-settings.json`),
    JSON.stringify({ policy: { sources } }),
  );
}

let volumes = 0;

/** With the directories that kubelet makes. */
async function newVolume(name: string, attributes: object = {}): Promise<TestVolume> {
  volumes += 1;
  const context = { type: 'glusterfs', server: place.server.address, volume: name, ...attributes };
  const volume = testVolume(`policy-${volumes}`, context);
  await place.node.shell(`mkdir -p ${volume.directories(4).join(' ')}`);
  return volume;
}

const node = (method: string, request: object) => client.call('Node', `Node${method}`, request);
const publish = (request: object) => node('PublishVolume', request);

async function mustCall(method: string, request: object): Promise<void> {
  const { code, message } = await node(method, request);
  if (code !== 'OK') throw new Error(`${method}: ${code} ${message}`);
}

const nothingAt = (path: string) =>
  place.node.entriesOf(path).length === 0 && !existsSync(place.node.path(path));

async function ended(target: string): Promise<void> {
  for (let look = 0; daemonsOf(target).length > 0 && look < 500; look += 1) await setTimeout(20);
  if (daemonsOf(target).length > 0) throw new Error('its daemon has not ended within 10 s');
}

test.serial('a claim’s volume is staged for all, and each Pod is judged by its namespace', async (t) => {
  const volume = await newVolume('v1');
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.publishedIn('team-a', 1));
  await mustCall('PublishVolume', volume.publishedIn('dev-7', 2));
  const forged = { volumeContext: { type: 'glusterfs', server: place.server.address, volume: 'v1' } };
  for (const [request, words] of [
    [volume.publishedIn('team-b', 3), /Pods of the namespace team-b may not have it/],
    [volume.published(3), /kubelet has not said which one.*podInfoOnMount: true in the CSIDriver object/],
    // A name alone is anybody's: kubelet tells the Pod's UID as well.
    [
      volume.published(3, {
        volumeContext: { ...forged.volumeContext, [`${kubernetes}/pod.namespace`]: 'team-a' },
      }),
      /podInfoOnMount/,
    ],
  ] as const) {
    const { code, message } = await publish(request);
    t.is(code, 'INVALID_ARGUMENT', message);
    t.regex(message, words);
    t.notRegex(message, /dev-|team-a/, 'who else may is no Pod’s business');
    t.true(nothingAt(volume.target(3)));
  }
  for (const pod of [1, 2]) await mustCall('UnpublishVolume', volume.unpublished(pod));
  await mustCall('UnstageVolume', volume.unstaged);

  const free = await newVolume('v2');
  await mustCall('StageVolume', free.staged);
  await mustCall('PublishVolume', free.published(1));
  await mustCall('PublishVolume', free.publishedIn('team-b', 2));
  for (const pod of [1, 2]) await mustCall('UnpublishVolume', free.unpublished(pod));
  await mustCall('UnstageVolume', free.unstaged);
});

test.serial('a volume that has the name of another one shows nothing of that', async (t) => {
  const own = await newVolume('v1');
  await mustCall('StageVolume', own.staged);
  const other = { type: 'glusterfs', server: place.server.address, volume: 'v2' };
  const borrowed = testVolume(own.id, other).publishedIn('team-b', 1);
  const { code, message } = await publish(borrowed);
  t.is(code, 'FAILED_PRECONDITION', message);
  t.regex(message, /^staging_target_path: .*:\/v1 is mounted there, not .*:\/v2; .*volumeHandle of its own/);
  t.true(nothingAt(own.target(1)));
  await mustCall('PublishVolume', own.publishedIn('team-a', 1));
  await mustCall('UnpublishVolume', own.unpublished(1));
  await mustCall('UnstageVolume', own.unstaged);
});

// What other tests would be hindered by is done before them.
test.serial('an inline volume: mounted for its Pod, outlives the driver, and gone with it', async (t) => {
  const volume = await newVolume('v1', { mountOptions: 'suid,dev,log-level=ERROR' });
  for (const _ of [1, 2]) await mustCall('PublishVolume', volume.inlineIn('team-a', 1));
  await mustCall('PublishVolume', volume.inlineIn('dev-1', 2, { readonly: true }));
  t.deepEqual(
    [1, 2].map((pod) => daemonsOf(volume.target(pod)).length),
    [1, 1],
    'a daemon for each Pod',
  );
  const flags = [1, 2].map((pod) =>
    place.node.entriesOf(volume.target(pod)).map(({ mountOptions }) => mountOptions.join()),
  );
  t.deepEqual(flags, [['rw,nosuid,nodev,relatime'], ['ro,nosuid,nodev,relatime']]);
  await place.node.shell(`echo inline >${volume.target(1)}/inline`);
  t.is(await place.node.shell(`cat ${volume.target(2)}/inline`), 'inline\n');
  t.not((await place.node.run(['touch', `${volume.target(2)}/other`])).status, 0);
  const stats = await node('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
  t.deepEqual(stats.answer.volumeCondition, { message: 'it answers' });

  const [daemon = 0] = daemonsOf(volume.target(1));
  await client[Symbol.asyncDispose]();
  await driver.kill('SIGKILL');
  t.is(await place.node.shell(`cat ${volume.target(1)}/inline`), 'inline\n');
  driver = await startDriver(place.node);
  client = await connectClient(place.node);
  await mustCall('PublishVolume', volume.inlineIn('team-a', 1));
  t.deepEqual(daemonsOf(volume.target(1)), [daemon]);

  // A dead daemon's is mounted anew by the same call.
  process.kill(daemon, 'SIGKILL');
  await ended(volume.target(1));
  await mustCall('PublishVolume', volume.inlineIn('team-a', 1));
  t.is(await place.node.shell(`cat ${volume.target(1)}/inline`), 'inline\n');

  for (const pod of [1, 2, 1, 2]) await mustCall('UnpublishVolume', volume.unpublished(pod));
  for (const pod of [1, 2]) {
    await ended(volume.target(pod));
    t.true(nothingAt(volume.target(pod)));
  }
});

const inlineRefused: readonly (readonly [
  title: string,
  volume: string,
  attributes: object,
  request: (volume: TestVolume) => object,
  words: RegExp,
])[] = [
  [
    'no rule has inline',
    'v2',
    {},
    (v) => v.inlineIn('team-a', 1),
    /is inline in a Pod of the namespace team-a, and no rule/,
  ],
  ['another namespace', 'v1', {}, (v) => v.inlineIn('team-b', 1), /namespace team-b may not have it/],
  [
    'its author says which namespace, where kubelet says nothing',
    'v1',
    {
      [`${kubernetes}/ephemeral`]: 'true',
      [`${kubernetes}/pod.namespace`]: 'team-a',
      [`${kubernetes}/pod.uid`]: 'guessed',
    },
    (v) => v.published(1, { stagingTargetPath: '' }),
    /podInfoOnMount/,
  ],
  ['another volume than the rule’s', 'v3', {}, (v) => v.inlineIn('team-a', 1), /none of those allowed/],
  ['subDir', 'v1', { subDir: 'a/../../v2' }, (v) => v.inlineIn('team-a', 1), /volume_context\[subDir\]/],
  ['".." in the volume', 'v1/../v2', {}, (v) => v.inlineIn('team-a', 1), /none of those allowed|"\.\."/],
  [
    'a forbidden option',
    'v1',
    { mountOptions: 'xlator-option=*.evil=on' },
    (v) => v.inlineIn('team-a', 1),
    /xlator-option: this mount option is forbidden/,
  ],
  [
    'another server by an option',
    'v1',
    { mountOptions: 'backup-volfile-servers=192.0.2.1' },
    (v) => v.inlineIn('team-a', 1),
    /none of those allowed/,
  ],
  [
    'a file of root’s',
    'v1',
    { mountOptions: 'log-file=/etc/cron.d/x' },
    (v) => v.inlineIn('team-a', 1),
    /may write no file there/,
  ],
  [
    'what would hide nosuid',
    'v1',
    { mountOptions: 'fetch-attempts=1\\' },
    (v) => v.inlineIn('team-a', 1),
    /backslash before a comma/,
  ],
  [
    'a staging path',
    'v1',
    {},
    (v) => v.inlineIn('team-a', 1, { stagingTargetPath: v.staging }),
    /^staging_target_path: is given/,
  ],
  [
    'within another volume',
    'v1',
    {},
    (v) => v.inlineIn('team-a', 1, { targetPath: `${v.target(1)}/volumes/x/mount/sub` }),
    /within a volume/,
  ],
  [
    'outside of the kubelet directory',
    'v1',
    {},
    (v) => v.inlineIn('team-a', 1, { targetPath: v.target(1).replace('/var/lib/kubelet', '/etc') }),
    /not below a directory/,
  ],
];

for (const [title, name, attributes, request, words] of inlineRefused)
  test.serial(`an inline volume is refused, and leaves nothing: ${title}`, async (t) => {
    const volume = await newVolume(name, attributes);
    const { code, message } = await publish(request(volume));
    t.is(code, 'INVALID_ARGUMENT', message);
    t.regex(message, words);
    t.regex(message, /^[^\n]+; [^\n]+$/, 'what is wrong; what to do');
    t.true(nothingAt(volume.target(1)));
    t.deepEqual(daemonsOf(volume.target(1)), []);
  });

test.serial('without podInfoOnMount an inline volume is one that nobody has staged', async (t) => {
  const volume = await newVolume('v1');
  const { code, message } = await publish(volume.published(1, { stagingTargetPath: '' }));
  t.is(code, 'FAILED_PRECONDITION');
  t.regex(message, /podInfoOnMount: true in the CSIDriver object/);
});

test.serial(
  'a mount that nobody has told the asker of has no rule for namespaces, unless @unknown is in it',
  async (t) => {
    const mount = async (name: string) => {
      const target = await newTarget(place.node);
      const source = `${place.server.address}:${name}`;
      const ran = await place.node.run([installedMounter, 'mount', '-t', 'glusterfs', source, target]);
      if (ran.status === 0) await place.node.shell(`umount ${target}`);
      return ran;
    };
    const refused = await mount('v1');
    t.is(refused.status, 1);
    t.regex(refused.stderr, /who asks is not known \(policy\.sources of the settings\)\nhint: .*"@unknown"/);
    t.is((await mount('v2')).status, 0);
    const before = readFileSync(place.node.path(`${mounterHome}/node-settings.json`), 'utf8');
    writeFileSync(
      place.node.path(`${mounterHome}/node-settings.json`),
      before.replace('"dev-*"', '"dev-*","@unknown"'),
    );
    t.is((await mount('v1')).status, 0);
    writeFileSync(place.node.path(`${mounterHome}/node-settings.json`), before);
  },
);

test.serial('secrets of a request are seen in no process, record or log', async (t) => {
  const secrets = { password: 'hunter2-secret' };
  const tokens = JSON.stringify({ '': { token: 'hunter2-token' } });
  const seen = watchCommandLines();
  const volume = await newVolume('v1', { [`${kubernetes}/serviceAccount.tokens`]: tokens });
  const answers: readonly Answered[] = [
    await node('StageVolume', { ...volume.staged, secrets }),
    await publish(volume.inlineIn('team-a', 1, { secrets })),
    await publish(volume.publishedIn('team-b', 1, { secrets })),
    // As kubelet asks for a driver with tokenRequests.
    await node('StageVolume', volume.staged),
    await publish(volume.publishedIn('team-a', 1)),
    await publish(volume.inlineIn('team-a', 2)),
    await publish(volume.inlineIn('team-b', 3)),
    await publish(
      volume.inlineIn('team-a', 3, { volumeCapability: capability(undefined, ['xlator-option=x']) }),
    ),
  ];
  t.deepEqual(
    answers.map(({ code }) => code),
    [...Array(3).fill('INVALID_ARGUMENT'), ...Array(3).fill('OK'), ...Array(2).fill('INVALID_ARGUMENT')],
  );
  const words = await seen();
  t.true(words.includes(volume.target(2)), 'it has seen the calls');
  const record = await place.node.shell('cat /var/log/containerized-mounter/*.log');
  t.true(record.includes(volume.target(2)));
  for (const text of [words, record, driver.output(), ...answers.map(({ message }) => message)])
    t.notRegex(text, /hunter2/);
  for (const pod of [1, 2]) await mustCall('UnpublishVolume', volume.unpublished(pod));
  await mustCall('UnstageVolume', volume.unstaged);
});

/** Looks at all of this machine's again and again. @returns what ends it, and says what it has seen. */
function watchCommandLines(): () => Promise<string> {
  const seen = new Set<string>();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      for (const pid of readdirSync('/proc')) if (/^\d+$/.test(pid)) seen.add(wordsOf(pid));
      await setTimeout(1);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return [...seen].join('\n');
  };
}

function wordsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
