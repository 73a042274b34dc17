import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import AjvDraft04 from 'ajv-draft-04';
import test from 'ava';
import { execa } from 'execa';
import { parse, parseAllDocuments } from 'yaml';
import { ownArchitecture } from '../../scripts/architectures.ts';
import { ensureInstalled, fetchPackages, unpackInto } from '../../scripts/debian.ts';
import { cacheDirectory, distDirectory, mounterExecutable, repository } from '../../scripts/paths.ts';
import { formatError, MounterError } from '../../src/errors.ts';
import { cloudInitText } from '../../src/fleet/cloud-init.ts';
import { applySettings } from '../../src/node-agent/settings.ts';
import { dist, mounterHome, ScratchNode, shared } from '../support/node/namespace.ts';
import { anImage, printedDocuments } from '../support/node/node-agent.ts';
import { manifestText } from '../support/node/rootfs-versions.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';
import { schemaErrorsOfAll } from '../support/texts/kubernetes-schema.ts';

/** What `mounter manifest` prints: by the published schemas, and run. */

const aDigest = `sha256:${'b'.repeat(64)}`;
const run = (...argv: readonly string[]) =>
  execa(mounterExecutable, ['manifest', ...argv], { reject: false, stripFinalNewline: false });

// biome-ignore lint/suspicious/noExplicitAny: a tree of YAML, of which each test reads another part
type Tree = any;

const variants: readonly (readonly string[])[] = [
  [],
  ['--namespace', 'storage', '--name', 'mounts', '--helpers', '--interval', '30'],
  ['--node-selector', 'storage=yes', '--node-selector', 'example.com/zone=a', '--max-unavailable', '3'],
  [
    '--toleration',
    'dedicated=storage:NoSchedule',
    '--toleration',
    'node.example/x',
    '--toleration',
    'y:NoExecute',
  ],
  ['--kubernetes', '1.27', '--architecture', 'arm64', '--home', '/opt/mounter', '--enabled', 'false'],
  ['--selinux-type', 'spc_t', '--remove'],
  ['--architecture', 'amd64', '--architecture', 'arm64'],
  ['--enabled', 'true', '--namespace', 'storage'],
];
const typos: readonly (readonly [from: string, to: string])[] = [
  ['hostPID:', 'hostPid:'],
  ['maxUnavailable:', 'maxUnavailabel:'],
  ['tolerations:', 'toleration:'],
  ['failureThreshold: 2', 'failureThreshold: two'],
  ['matchLabels:', 'labels:'],
  ['mountPath: /run/node-agent', 'path: /run/node-agent'],
];

/** Of `mounter manifest csi`. */
const csiVariants: readonly (readonly string[])[] = [
  ['--image', anImage],
  ['--image', anImage, '--driver', 'a.csi,nfs.csi.k8s.io', '--home', '/opt/mounter'],
  ['--examples'],
];

/** What the schema says of each of the variants, then of each of the typos. */
let errors: readonly string[];
test.before(async () => {
  const printed = await Promise.all(
    variants.map((flags) => printedDocuments('daemonset', '--image', anImage, ...flags)),
  );
  const { stdout } = await run('daemonset', '--image', anImage);
  const mistyped = typos.map(([from, to]) => {
    if (!stdout.includes(from)) throw new Error(`nothing to mistype: ${from}`);
    return parseAllDocuments(stdout.replace(from, to)).map((document) => document.toJS());
  });
  const csi = await Promise.all(csiVariants.map((flags) => printedDocuments('csi', ...flags)));
  errors = await schemaErrorsOfAll([...printed, ...mistyped, ...csi]);
});

for (const [i, flags] of csiVariants.entries())
  test.serial(`what csi prints fits it as well: ${flags.join(' ')}`, (t) =>
    t.is(errors[variants.length + typos.length + i], ''),
  );

test.serial('csi is the same DaemonSet, and what the cluster is told of the driver', async (t) => {
  const [account, first, second, daemonSet] = (await printedDocuments(
    'csi',
    ...(csiVariants[1] ?? []),
  )) as Tree[];
  t.deepEqual(
    [account.kind, first.metadata.name, second.metadata.name],
    ['ServiceAccount', 'a.csi', 'nfs.csi.k8s.io'],
  );
  t.deepEqual(first.spec, {
    attachRequired: false,
    podInfoOnMount: true,
    fsGroupPolicy: 'File',
    volumeLifecycleModes: ['Persistent', 'Ephemeral'],
  });
  const [container] = daemonSet.spec.template.spec.containers;
  t.deepEqual(container.command.slice(1), ['node-agent', '--csi', 'a.csi,nfs.csi.k8s.io']);
  t.deepEqual(
    container.env.map(({ name }: Tree) => name),
    ['MOUNTER_HOME', 'NODE_NAME'],
  );
  const old = await run('csi', '--image', anImage, '--kubernetes', '1.17');
  t.is(old.exitCode, 1);
  t.regex(
    old.stderr,
    /^mounter: --kubernetes: CSI takes 1\.18 or newer\nhint: use mounter manifest daemonset, /,
  );
  const { stderr, exitCode: status } = await run('csi', '--image', anImage, '--driver', 'no_name');
  t.is(status, 1);
  t.regex(stderr, /--driver: "no_name" is no name of a driver/);
});

for (const [i, flags] of variants.entries())
  test.serial(`the DaemonSet fits Kubernetes' published schema: ${flags.join(' ')}`, (t) =>
    t.is(errors[i], ''),
  );
for (const [i, [, to]] of typos.entries())
  test.serial(`the schema test finds ${to}`, (t) => t.truthy(errors[variants.length + i]));

test.serial('the flags come out where they belong', async (t) => {
  const print = async (...flags: readonly string[]) =>
    (await printedDocuments('daemonset', '--image', anImage, ...flags)) as Tree[];
  const [account, daemonSet] = await print();
  t.deepEqual([account.kind, daemonSet.kind], ['ServiceAccount', 'DaemonSet']);
  t.false(account.automountServiceAccountToken);
  const pod = daemonSet.spec.template.spec;
  t.deepEqual(pod.tolerations, [{ operator: 'Exists' }]);
  t.is(daemonSet.spec.updateStrategy.rollingUpdate.maxUnavailable, '10%');
  t.like(pod, {
    hostPID: true,
    priorityClassName: 'system-node-critical',
    automountServiceAccountToken: false,
  });
  t.is(pod.hostNetwork, undefined);
  t.false(pod.volumes.some((volume: Tree) => volume.hostPath !== undefined));
  t.like(pod.containers[0].securityContext, { privileged: false, readOnlyRootFilesystem: true });
  t.deepEqual(pod.containers[0].securityContext.capabilities.drop, ['ALL']);
  t.is(pod.containers[0].image, anImage);

  const [namespace, , off, other] = await print(...(variants[1] ?? []), '--enabled=false');
  t.is(namespace.metadata.labels['pod-security.kubernetes.io/enforce'], 'privileged');
  t.deepEqual([off.metadata.name, off.data], ['mounts-gate', { state: 'off' }]);
  t.deepEqual(
    other.spec.template.spec.volumes.map((volume: Tree) => volume.configMap),
    [{ name: 'mounts-gate', optional: true }, { name: 'mounts', optional: true }, undefined],
  );
  t.deepEqual(other.spec.template.spec.containers[0].command.slice(1), [
    'node-agent',
    '--helpers',
    '--interval',
    '30',
  ]);
  const tolerant = (await print(...(variants[3] ?? []))).at(-1);
  t.deepEqual(tolerant.spec.template.spec.tolerations, [
    { key: 'dedicated', operator: 'Equal', value: 'storage', effect: 'NoSchedule' },
    { key: 'node.example/x', operator: 'Exists' },
    { key: 'y', operator: 'Exists', effect: 'NoExecute' },
  ]);
  const old = (await print(...(variants[4] ?? []))).at(-1).spec.template;
  t.is(old.spec.containers[0].securityContext.appArmorProfile, undefined);
  t.deepEqual(old.metadata.annotations, {
    'container.apparmor.security.beta.kubernetes.io/node-agent': 'unconfined',
  });
  t.deepEqual(old.spec.containers[0].env, [{ name: 'MOUNTER_HOME', value: '/opt/mounter' }]);
});

test.serial('a file is refused as a node would refuse it: the same line, and the same hint', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
  const file = join(directory, 'settings.json');
  try {
    for (const [settings, says] of [
      [
        '{"daemons": {"rpcbind": {"path": "/bin/sh"}}}',
        /daemons\.rpcbind\.path: a ConfigMap may not set this: /,
      ],
      ['{"mounts": {"mounter": []}}', /mounts\.mounter: a ConfigMap may not set this: /],
      [
        '{"filesystems": {"nsf": null}}',
        /filesystems\.nsf: there is no such setting\nhint: did you mean nfs\?/,
      ],
      ['{"enabled": true, "enabled": false}', /enabled: stands there twice\n/],
      ['{"__proto__": {}}', /__proto__: there is no such setting\n/],
      [`[${'['.repeat(30_000)}`, /is nested in more than 16 levels\n/],
      [`"${'x'.repeat(70_000)}"`, /is longer than 64 KiB\n/],
    ] as const) {
      writeFileSync(file, settings);
      const { exitCode, stdout, stderr } = await run('daemonset', '--image', anImage, '--settings', file);
      t.deepEqual([exitCode, stdout], [1, '']);
      t.regex(stderr, says);
      const onNode = t.throws(() => applySettings(manifestText, settings, 'here'), {
        instanceOf: MounterError,
      });
      t.is(stderr, formatError(onNode as MounterError).replace('here', `--settings ${file}`));
    }
    const endless = await run('daemonset', '--image', anImage, '--settings', '/dev/zero');
    t.regex(endless.stderr, /is longer than 64 KiB\n/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test.serial('settings of a file, and every privilege explained', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
  try {
    writeFileSync(join(directory, 'settings.json'), '{"limits": {"mountSeconds": 60}}');
    const flags = ['--settings', join(directory, 'settings.json'), '--enabled', 'false'];
    const { stdout } = await run('daemonset', '--image', anImage, ...flags);
    const documents = parseAllDocuments(stdout).map((document) => document.toJS() as Tree);
    const configMaps = documents.filter(({ kind }) => kind === 'ConfigMap');
    t.deepEqual(configMaps[0].data, { state: 'off' });
    t.deepEqual(JSON.parse(configMaps[1].data['settings.json']), { limits: { mountSeconds: 60 } });
    t.deepEqual(documents.indexOf(configMaps[1]), documents.length - 2, 'before the DaemonSet');
    const alone = await run('daemonset', '--settings', join(directory, 'settings.json'));
    t.deepEqual(parse(alone.stdout), configMaps[1]);
    for (const field of [
      'hostPID',
      'privileged',
      'allowPrivilegeEscalation',
      'capabilities',
      'appArmorProfile',
    ])
      t.regex(stdout, new RegExp(`^ *# .*\\n *${field}:`, 'm'), field);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

for (const [flags, state] of [
  [['--enabled', 'false'], 'off'],
  [['--enabled', 'true'], 'on'],
  [['--remove'], 'removed'],
] as const) {
  test.serial(`the gate alone: ${flags.join(' ')}`, async (t) => {
    const { stdout } = await run('daemonset', ...flags, '--name', 'mounts', '--namespace', 'storage');
    t.like(parse(stdout), {
      kind: 'ConfigMap',
      metadata: { name: 'mounts-gate', namespace: 'storage' },
      data: { state },
    });
    // kubectl reads YAML 1.1, in which a bare `on` is no string.
    t.is(parse(stdout, { version: '1.1' }).data.state, state);
  });
}

const mistakes: readonly (readonly [argv: readonly string[], stderr: RegExp])[] = [
  [[], /^mounter: manifest: which manifest is missing\nhint: /],
  [['deamonset'], /^mounter: deamonset: there is no such manifest\nhint: /],
  [['daemonset'], /^mounter: --image: is missing\nhint: such as --image /],
  [['daemonset', '--image', 'registry.example/x:v1'], /--image: .* is not pinned by its digest\nhint: /],
  [['daemonset', `--image=-x@${aDigest}`], /--image: .* is not pinned by its digest\nhint: /],
  [['daemonset', '--image', anImage, '--max-unavailable', '0'], /--max-unavailable: 0 is not what/],
  [['daemonset', '--image', anImage, '--max-unavailable', '0%'], /--max-unavailable: 0% is not what/],
  [['daemonset', '--image', anImage, '--namespace', 'A b'], /--namespace: A b is not what/],
  [['daemonset', '--image', anImage, '--toleration', 'a=b:Never'], /--toleration: /],
  [['daemonset', '--image', anImage, '--node-selector', 'a'], /--node-selector: /],
  [['daemonset', '--image', anImage, '--home', 'relative'], /--home: relative is not what/],
  [['daemonset', '--enabled', 'true', '--remove'], /--remove: contradicts --enabled/],
  [['daemonset', '--enabled', 'true', '--helpers'], /--helpers: is of the DaemonSet, .*\nhint: add --image/],
  [['daemonset', '--remove', '--home', '/x'], /--home: is of the DaemonSet, .*\nhint: add --image/],
  [['daemonset', '--image', anImage, '--enabled', 'no'], /--enabled: no is not what/],
  [
    ['daemonset', '--image', anImage, '--settings', '/dev/null'],
    /--settings: \/dev\/null is empty\nhint: write \{\}/,
  ],
  [
    ['daemonset', '--image', anImage, '--settings', '/none'],
    /--settings: cannot be read: ENOENT.*'\/none'\n/,
  ],
  [['daemonset', '--imgae', anImage], /--imgae: unknown option\nhint: did you mean --image\?/],
  [['cloud-init'], /--executable: is missing/],
  [['cloud-init', '--executable', 'http://x/y'], /--executable: http:\/\/x\/y is no https URL/],
  [
    ['cloud-init', '--executable', 'https://x/$(reboot)', '--image', anImage],
    /--executable: .*is no https URL/,
  ],
  [['cloud-init', '--executable', 'https://x/y'], /--image: is missing\nhint: .*--url and --digest/],
  [
    ['cloud-init', '--executable', 'https://x/y', '--url', 'https://x/z'],
    /--digest: is missing.*\nhint: such as --digest sha256:…/,
  ],
  [['cloud-init', '--executable', 'https://x/y', '--image', 'r.example/x:v1'], /is not pinned by its digest/],
];
for (const [argv, expected] of mistakes) {
  test.serial(`a mistake: mounter manifest ${argv.join(' ')}`, async (t) => {
    const { exitCode, stdout, stderr } = await run(...argv);
    t.is(exitCode, 1);
    t.is(stdout, '');
    t.regex(stderr, expected);
    t.is(stderr.split('\n').length, 3, 'one line, and one hint');
  });
}

/** cloud-init's own, out of its Debian package. */
async function cloudConfigSchema(): Promise<Tree> {
  const directory = join(cacheDirectory, 'cloud-init');
  const debs = await fetchPackages({
    names: ['cloud-init'],
    directory: `${directory}/debs`,
    withoutDependencies: true,
  });
  const files = mkdtempSync(join(directory, 'files-'));
  try {
    await unpackInto(debs, files);
    const path = 'usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json';
    return JSON.parse(readFileSync(join(files, path), 'utf8'));
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

test.serial("the cloud-config fits cloud-init's published schema, and a typo does not", async (t) => {
  const schema = await cloudConfigSchema();
  const known = new Set<string>(
    schema.allOf.flatMap(({ $ref }: { $ref: string }) =>
      Object.keys(schema.$defs[$ref.split('/').at(-1) ?? ''].properties ?? {}),
    ),
  );
  const ajv = new AjvDraft04.default({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile(schema);
  const url = ['--executable', 'https://files.example/mounter'];
  for (const flags of [
    ['--image', anImage],
    ['--image', anImage, '--kubelet-flag', '--helpers', '--home', '/opt/mounter'],
    ['--url', 'https://files.example/image.tar', '--digest', aDigest, '--executable-digest', aDigest],
  ]) {
    const { stdout } = await run('cloud-init', ...url, ...flags);
    t.true(stdout.startsWith('#cloud-config\n'));
    const config = parse(stdout);
    t.true(validate(config), JSON.stringify(validate.errors));
    for (const key of Object.keys(config)) t.true(known.has(key), key);
    t.false(validate({ ...config, write_files: [{ paht: '/x', content: '' }] }));
    t.false(validate({ ...config, runcmd: { a: 1 } }));
  }
});

test.serial('the digest of the executable is that of the one which prints', async (t) => {
  const { stdout } = await run('cloud-init', '--executable', 'https://x.example/mounter', '--image', anImage);
  const { stdout: sum } = await execa('sha256sum', [mounterExecutable]);
  t.true(stdout.includes(`sha256=${sum.slice(0, 64)}\n`));
});

test.serial('machines of each architecture fetch their own executable', async (t) => {
  const url = 'https://x.example/mounter';
  const flags = ['cloud-init', '--image', anImage, '--executable', url, '--executable', `arm64=${url}-arm64`];
  const { stdout } = await run(...flags, '--executable-digest', `arm64=${aDigest}`);
  const script: string = parse(stdout).write_files[0].content;
  const ofArm64 = `aarch64)\n  url='${url}-arm64'\n  sha256=${'b'.repeat(64)}\n  ;;\n`;
  t.true(script.includes(ofArm64), script);
  t.regex(script, /^x86_64\)\n {2}url='https:\/\/x\.example\/mounter'\n {2}sha256=[0-9a-f]{64}\n/m);
  const refused: readonly (readonly [flags: readonly string[], says: RegExp])[] = [
    [[], /^mounter: --executable-digest: that of the executable for arm64 is missing\nhint: add /],
    [['--executable', `arm64=${url}`], /^mounter: --executable: is there twice for arm64\nhint: /],
    [['--executable', 'arm64=x'], /^mounter: --executable: is there twice for arm64\nhint: /],
  ];
  for (const [more, says] of refused) t.regex((await run(...flags, ...more)).stderr, says);
  const idle = ['--executable', url, '--image', anImage, '--executable-digest', `arm64=${aDigest}`];
  t.regex((await run('cloud-init', ...idle)).stderr, /there is no executable for arm64\nhint: add /);
});

test.serial('systemd takes the unit that it writes', async (t) => {
  await ensureInstalled(['systemd']);
  const { stdout } = await run(
    'cloud-init',
    '--executable',
    'https://x.example/mounter',
    '--image',
    anImage,
    '--kubelet-flag',
  );
  const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
  try {
    const file = parse(stdout).write_files.find(({ path }: Tree) => path.endsWith('.service'));
    const unit = join(directory, 'containerized-mounter-boot.service');
    writeFileSync(unit, file.content.replace(/^ExecStart=.*/m, 'ExecStart=/bin/true'));
    const { all, exitCode } = await execa('systemd-analyze', ['verify', '--man=no', unit], {
      reject: false,
      all: true,
    });
    t.is(exitCode, 0, all);
    t.false(all.includes('containerized-mounter-boot'), all);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test.serial(
  'the script installs and prepares a bare node; again it changes nothing, and needs no network',
  async (t) => {
    await ensureInstalled(['curl']);
    await using node = await ScratchNode.start({ home: 'mode=0755,noexec' });
    const args = [
      `${repository}/scripts/image.ts`,
      '--allow-newer',
      '--only=storage-tools',
      '--output',
      `${node.sharedDirectory}/image`,
    ];
    await execa(process.execPath, args);
    await execa('cp', [mounterExecutable, `${node.sharedDirectory}/mounter`]);
    const { digests } = JSON.parse(readFileSync(`${node.sharedDirectory}/image.json`, 'utf8'));
    const { stdout: sum } = await execa('sha256sum', [`${distDirectory}/mounter`]);
    const text = cloudInitText({
      executables: [
        { architecture: ownArchitecture, url: `file://${shared}/mounter`, sha256: sum.slice(0, 64) },
      ],
      source: `${shared}/image`,
      digest: digests[ownArchitecture],
      home: mounterHome,
      kubeletFlag: false,
      helpers: true,
      settings: '{"limits": {"mountSeconds": 60}}',
    });
    const files: readonly Tree[] = parse(text).write_files;
    writeFileSync(`${node.sharedDirectory}/boot.sh`, files[0].content);
    const settings = files.find(({ path }) => path.endsWith('/node-settings.json'));
    await node.run(['sh', '-c', `mkdir -p ${mounterHome}; cat >${settings.path}`], {
      input: settings.content,
    });
    await makeSbinWritable(node);
    const bare = await node.shell('df -P /home | tail -1; ls /home');
    t.regex(bare, /tmpfs/);
    const first = await node.run(['sh', `${shared}/boot.sh`]);
    t.is(first.status, 0, first.stderr);
    t.is((await node.run([`${mounterHome}/mounter`, 'status'])).status, 0);
    t.regex(first.stdout, /^\S+\/node-settings\.json is laid over the manifest: limits\.mountSeconds$/m);
    t.is(await node.shell('readlink /sbin/mount.nfs'), `${mounterHome}/mounter\n`);
    const mounts = node.mountinfo();
    rmSync(`${node.sharedDirectory}/image`, { recursive: true });
    rmSync(`${node.sharedDirectory}/mounter`);
    const second = await node.run(['sh', `${shared}/boot.sh`]);
    t.is(second.status, 0, second.stderr);
    t.is(second.stdout, 'prepared already; nothing to do\nhelpers in place already; nothing to do\n');
    t.deepEqual(node.mountinfo(), mounts);

    const foreign = await node.run(['setarch', 'linux32', 'sh', `${shared}/boot.sh`]);
    t.is(foreign.status, 1);
    t.regex(foreign.stderr, /^no executable for i686 is named: see mounter manifest cloud-init --help$/m);

    // Somebody else's executable under the same URL.
    await node.shell(
      `rm ${mounterHome}/mounter ${mounterHome}/mounter-full; head -c 1000 ${dist}/mounter >${shared}/mounter`,
    );
    const wrong = await node.run(['sh', `${shared}/boot.sh`]);
    t.is(wrong.status, 1);
    t.regex(wrong.stderr, /mounter: its sha256 is not [0-9a-f]{64}$/m);
    t.deepEqual(await node.shell(`ls ${mounterHome} | grep ^mounter`), 'mounter.sha256\n');
  },
);
