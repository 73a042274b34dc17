import { resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Output } from '../host/output.ts';
import { stderrColumns } from '../host/progress-line.ts';
import { fetchProgress } from '../image/fetch-progress.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import { type Layout, layoutOf } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { offFile, whyOff } from '../node/off.ts';
import { helperDirectories, removeHelperLinks } from '../prepare/helper-links.ts';
import { type CommandContext, defineCommand, type FlagsOf, type FlagTable, told } from './command.ts';
import { badFlag } from './flags.ts';
import { type FetchOptions, readSourceFlags, sourceFlags } from './source-flags.ts';

const flags = {
  '--manifest FILE':
    "else rootfs-manifest.json beside SOURCE, else the one inside the image, else the node's own",
  '--home DIR': 'instead of MOUNTER_HOME',
  '--no-switch': 'leave the rootfs as it is; mounter rollback DIGEST switches later',
  '--helpers': {
    text: `place mount.nfs, mount.nfs4 and mount.glusterfs, as far as the settings have these types: links to
    MOUNTER_HOME/mounter, where the host's own mount(8) finds them, for a kubelet without the flag, for fstab. A helper
    that the host has is left alone. With SOURCE, or without`,
    standsForOperands: true,
  },
  '--remove-helpers': { text: 'take these links away again', standsForOperands: true },
  '--directory DIR': `for them, instead of the first of /sbin, /sbin/fs.d, /sbin/fs that is writable; with
    --remove-helpers, instead of all three`,
  '--into DIR': `unpack any image to DIR, new or empty, and nothing else. DIR is as open as the image has it; directories above
    it that are missing are made for root alone`,
  ...sourceFlags,
  '-v, --verbose': 'say which credentials were used, and which key has signed the image',
} as const satisfies FlagTable;

type InstallFlags = FlagsOf<typeof flags>;

export const install = defineCommand({
  name: 'install',
  summary: 'fetch a rootfs of storage tools, verified, and switch to it',
  operands: 'SOURCE',
  usage: ['SOURCE [OPTION…]', '--helpers | --remove-helpers [--directory DIR]'],
  flags,
  manual: [
    `Fetches a rootfs, unpacks it to versions/DIGEST below MOUNTER_HOME, checks that what its manifest promises
    is there, and tries each program, script and library of it; then places this executable and the manifest, and
    switches the rootfs to it by one rename. Installing what is installed changes nothing: each of its files is read and
    held against the digest that was recorded when it was unpacked. What is missing or changed is mended file by file,
    and volumes stay mounted. The node's own settings, in node-settings.json, stay; what was edited in its manifest
    becomes theirs. A failure leaves the rootfs that was there. No
    other command waits for its network: a connection that brings less than 64 KiB in 30 s is ended and tried again,
    some times. SOURCE is one of`,
    [
      ['an image in a registry', 'registry.example/storage-tools:v3, or …@sha256:…'],
      [
        'a file',
        'a tar of a rootfs, plain or compressed with zstd or gzip; an image as an OCI tar or from docker save',
      ],
      ['a directory', 'in the OCI layout; oci:DIRECTORY:TAG where it has several images'],
      ['a URL', 'https://… of such a file'],
    ],
    `How the network is reached is read as containerd reads it: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in small letters
    too; the certificates that the machine trusts, or those of SSL_CERT_FILE and SSL_CERT_DIR; for a registry
    /etc/containerd/certs.d/HOST/hosts.toml, else that of _default, whose hosts are asked after those of --mirror; and
    certificates in /etc/docker/certs.d/HOST and /etc/containers/certs.d/HOST (*.crt to trust, NAME.cert and NAME.key to
    show).`,
    `Credentials are those of REGISTRY_AUTH_FILE, podman's (/run/containers/0/auth.json), docker's (config.json in
    DOCKER_CONFIG, or in ~/.docker; its helpers too), kubelet's (/var/lib/kubelet/config.json), and its credential
    providers where they are named. The longest name that fits the image goes first, and the next ones where it is
    refused; -v says which.`,
  ],
  examples: [
    'mounter install registry.example/storage-tools:v3',
    'mounter install dist/rootfs.tar.zst',
    'mounter install /media/rootfs.tar --manifest /media/rootfs-manifest.json',
    'mounter install --helpers',
    'mounter install registry.example/kubelet:v1.36.0 --into /opt/kubelet/v1.36.0',
  ],
  changesNode: true,
  run: async (given, context) => {
    requireRoot(context.host, 'installing');
    if (given.value('into') === undefined) checkHelperFlags(given);
    if (given.operands.length > 0) await installSource(given, context);
    await changeHelpers(given, layoutFor(given, context), context);
    return exitCode.success;
  },
});

async function installSource(given: InstallFlags, context: CommandContext): Promise<void> {
  const progress = fetchProgress(context.output, stderrColumns(), given.has('verbose'));
  const options = { ...readSourceFlags(given), progress: progress.report };
  try {
    const isInto = given.value('into') !== undefined;
    const output = beforeEach(() => progress.end(), context.output);
    await untilInterrupted(() => (isInto ? extract : installRootfs)(given, options, { ...context, output }));
  } finally {
    progress.end();
  }
}

function beforeEach(action: () => void, { out, err }: Output): Output {
  const after = (say: (text: string) => void) => (text: string) => {
    action();
    say(text);
  };
  return { out: after(out), err: after(err) };
}

/**
 * Runs `action`; a signal to end is an error like any other then, so that what hangs on the process's exit is done.
 * @throws MounterError (interrupted); `action` is then still at work.
 */
async function untilInterrupted<T>(action: () => Promise<T>): Promise<T> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const hint = 'run it again: it goes on from where it was';
  const interrupt = () => reject(new MounterError('interrupted', { status: exitCode.interrupted, hint }));
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await Promise.race([action(), interrupted]);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

function layoutFor(given: InstallFlags, context: CommandContext): Layout {
  const home = given.value('home');
  return home === undefined ? context.layout : layoutOf(resolve(home), process.env.MOUNTER_MANIFEST);
}

async function installRootfs(
  given: InstallFlags,
  fetch: FetchOptions,
  context: CommandContext,
): Promise<void> {
  const { installVersion } = await import('../image/versions/install.ts');
  const { explicitManifest } = await import('../image/versions/manifest-choice.ts');
  const [source = ''] = given.operands;
  const layout = layoutFor(given, context);
  const manifest = explicitManifest(source, given.value('manifest'));
  const isToSwitch = !given.has('no-switch');
  const verifyKeys = await verifyKeysOf(given);
  const installed = await installVersion(
    { source, fetch, manifest, isToSwitch, verifyKeys },
    { ...context, layout },
  );
  const summary = `${installed.manifest.manifest.rootfs.name} ${installed.digest} in ${layout.home}`;
  const { describeOverrides } = await import('../image/versions/node-edits.ts');
  const { currentDigest } = await import('../image/versions/versions.ts');
  const { manifest: settings } = installed.manifest;
  const offBy = whyOff(context.host, layout, settings);
  const lines = [
    ...(installed.done.length === 0
      ? [`installed already: ${summary}`]
      : [...installed.done, `installed ${summary}`]),
    ...(currentDigest(layout) === installed.digest
      ? []
      : [`mounter rollback ${installed.digest} switches to it`]),
    ...describeOverrides(layout, context.host, settings),
    ...(offBy === undefined
      ? []
      : [`the mounter is turned off on this node, by ${offBy}: ${wayOn(offFile(context.host, layout))}`]),
  ];
  context.output.out(told(lines, ''));
}

/** `mounter enable` takes a file away, and edits no settings. */
function wayOn(file: string | undefined): string {
  return file === undefined ? 'take that line out, then run mounter prepare' : 'mounter enable turns it on';
}

async function extract(
  given: InstallFlags,
  fetch: FetchOptions,
  { output, host, layout }: CommandContext,
): Promise<void> {
  const other =
    (['home', 'manifest', 'directory'] as const).find((name) => given.value(name) !== undefined) ??
    (['no-switch', 'helpers', 'remove-helpers'] as const).find((name) => given.has(name));
  if (other !== undefined)
    throw badFlag(
      other,
      'has no meaning with --into, which installs nothing',
      'leave it out, or leave out --into; see mounter install --help',
    );
  const { extractInto } = await import('../image/versions/into.ts');
  const [source = ''] = given.operands;
  const into = given.value('into') ?? '';
  const verifyKeys = await verifyKeysOf(given);
  const request = { source, fetch, verifyKeys, directory: resolve(into) };
  const { digest, isReachable } = await extractInto(request, { host, layout });
  output.out(`unpacked ${source} (${digest}) to ${into}\n`);
  if (isReachable) output.err(reachable(source, into));
}

/** Their files, which are tried before anything is fetched. @throws MounterError */
async function verifyKeysOf(given: InstallFlags): Promise<readonly string[]> {
  const { readPublicKey } = await import('../image/signatures/public-key.ts');
  const files = given.values('verify-key');
  for (const file of files) readPublicKey(file);
  return files;
}

function reachable(source: string, into: string): string {
  return `mounter: ${into}: every user of this node can run its set-user-ID programs, and write to its /tmp\nhint: mounter install ${source} --into ${into}.d/image makes ${into}.d root's alone\n`;
}

/** Before anything is done. @throws MounterError (usage) */
function checkHelperFlags(given: InstallFlags): void {
  const directory = given.value('directory');
  const [adds, removes] = [given.has('helpers'), given.has('remove-helpers')];
  if (adds && removes) throw badFlag('remove-helpers', 'contradicts --helpers', 'give one of the two');
  if (directory === undefined) return;
  if (!adds && !removes) throw badFlag('directory', 'has a meaning with --helpers only', 'add --helpers');
  if (!directory.startsWith('/'))
    throw badFlag('directory', `${directory} is a relative path`, 'give the absolute path');
}

async function changeHelpers(
  given: InstallFlags,
  layout: Layout,
  { host, output }: CommandContext,
): Promise<void> {
  const directory = given.value('directory');
  if (given.has('remove-helpers')) {
    const { withNodeLock } = await import('../node/lock.ts');
    const directories = directory === undefined ? helperDirectories : [directory];
    const removed = await withNodeLock(async () => removeHelperLinks(helperNames, layout, directories));
    output.out(told(removed, 'no helper of ours is there; nothing to do'));
  }
  if (!given.has('helpers')) return;
  const { placeHelpers } = await import('../prepare/place-helpers.ts');
  const placing = await placeHelpers(layout, directory, host);
  if (placing === undefined)
    return output.out(
      'the mounter is turned off, and no helper is placed: run mounter enable, then this again\n',
    );
  const isElsewhere = directory !== undefined && !helperDirectories.includes(directory);
  const last = placing.placed === 0 ? ['helpers in place already; nothing to do'] : [];
  const place = isElsewhere && placing.placed > 0 ? [notLookedIn(directory)] : [];
  output.out(`${[...placing.lines, ...last, ...place].join('\n')}\n`);
}

function notLookedIn(directory: string): string {
  return `mount(8) looks in ${helperDirectories.join(', ')}: ${directory} has to be bound to one of them`;
}
