import type { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { DaemonSetRequest, ObjectNames, Toleration } from '../fleet/daemonset.ts';
import type { CommentedDocument } from '../fleet/yaml.ts';
import type { Output } from '../host/output.ts';
import { ownArchitecture } from '../image/source/options.ts';
import { defaultHome, usualMetricsFile } from '../node/layout.ts';
import type { GateState } from '../node-agent/gate.ts';
import { defineCommand, type Flags, type FlagsOf, type FlagTable, flagsOf } from './command.ts';
import { defaultDriver, driverNames } from './csi.ts';
import { badFlag, fitting } from './flags.ts';
import { pinnedReference, plainPath, requiredFlag } from './manifest-flags.ts';

/** The flags that say nothing about a ConfigMap. */
const daemonSetFlags = {
  '--node-selector KEY=VALUE': 'may be repeated; nodes of Linux and of the architecture in any case',
  '--toleration KEY[=VALUE][:EFFECT]': 'may be repeated; every taint if left out',
  '--max-unavailable N|N%': { text: 'how many nodes a new image goes to at a time', default: '10%' },
  '--helpers': 'place mount.nfs and the like too, for kubelets without the flag',
  '--home DIR': { text: 'MOUNTER_HOME on the nodes', default: defaultHome },
  '--metrics FILE': `on the nodes, for node-exporter's textfile collector, such as
    ${usualMetricsFile}; its directory has to be there. The rules: mounter manifest alerts`,
  '--interval SECONDS': 'between two rounds where nothing changes: 600 if left out',
  '--architecture ARCH':
    "amd64 or arm64; both, for an image of both, where it is repeated; this executable's if left out",
  '--kubernetes 1.N': { text: "the cluster's version, if it is below 1.30", default: '1.30' },
  '--selinux-type TYPE': 'where SELinux is enforced: a type that may do this, such as spc_t',
} as const satisfies FlagTable;

const flags = {
  '--image REFERENCE@sha256:HEX': 'what npm run image made; without it the DaemonSet is not printed',
  '--namespace NAME': {
    text: 'another one than the default is printed with --image',
    default: 'kube-system',
  },
  '--name NAME': {
    text: `of all its objects. Give name and namespace in every call alike: a gate of another name or namespace turns
    nothing`,
    default: 'containerized-mounter',
  },
  '--enabled true|false':
    "the gate. false: the mounter is off on all nodes, the host's own tools are left; true: on again",
  '--remove': 'the gate: off, and what the DaemonSet did on each node is undone; then delete it',
  '--settings FILE': `JSON to lay over the image's rootfs-manifest.json, in place of all earlier settings: enabled, enter, limits,
    policy, resolver, log, and of filesystems those that no node mounts, {"filesystems": {"nfs": null}}, and
    readAheadKib. All else is refused: it would make root of who edits a ConfigMap. {} takes all settings back`,
  ...daemonSetFlags,
} as const satisfies FlagTable;

/** The driver's own; nor do these say anything about a ConfigMap. */
const driverFlags = {
  '--tls': `the driver starts tlshd where none runs, for volumes with xprtsec=; it gets NET_ADMIN for that. Without it the
    node has to have one: its own, or that of mounter unit tls --install`,
} as const satisfies FlagTable;

const csiFlags = {
  ...flags,
  ...driverFlags,
  '--driver NAMES': {
    text: 'of the CSI driver; several, with commas: nfs.csi.k8s.io takes over the volumes of csi-driver-nfs',
    default: defaultDriver,
  },
  '--examples': 'volumes to begin with, and no DaemonSet',
} as const satisfies FlagTable;

type DaemonSetFlags = FlagsOf<typeof flags>;

export const daemonSet = defineCommand({
  name: 'manifest daemonset',
  summary: 'print a DaemonSet for kubectl apply, its settings and its gate',
  usage: [
    '--image REFERENCE@sha256:HEX [OPTION…]',
    '--enabled false | --enabled true | --remove | --settings FILE',
  ],
  flags,
  manual: [
    `daemonset prints what kubectl apply takes: a DaemonSet that installs the tools on each node, prepares it and
    keeps it so, from the image that npm run image makes. A node is ready when mounts on it would work. The gate and
    the settings are ConfigMaps of their own, printed where they are named; without --image nothing else is, so that
    nothing else changes.`,
  ],
  examples: [
    'mounter manifest daemonset --image registry.example/mounter-node-agent@sha256:HEX | kubectl apply -f -',
    'mounter manifest daemonset --enabled false | kubectl apply -f -',
  ],
  run: (given, { output }) => print(given, notADriver, output),
});

export const csiManifest = defineCommand({
  name: 'manifest csi',
  summary: 'print the same DaemonSet as a CSI driver, for every kubelet, and examples of volumes',
  usage: ['--image REFERENCE@sha256:HEX [OPTION…]', '--examples [--driver NAMES]'],
  flags: csiFlags,
  manual: [
    `csi prints the DaemonSet of manifest daemonset with the CSI driver in it, and the CSIDriver objects: kubelet needs
    no flag then, and GlusterFS volumes work where its own plugin is gone. A node is ready when kubelet has registered the
    driver as well. Beside flags of its own it has all those of manifest daemonset; the gate and the settings are the same
    objects.`,
  ],
  examples: [
    'mounter manifest csi --image registry.example/mounter-node-agent@sha256:HEX | kubectl apply -f -',
    'mounter manifest csi --examples',
  ],
  run: async (given, { output }) => {
    const drivers = driverNames('driver', given.value('driver'));
    if (!given.has('examples')) return print(given, { csi: drivers, tls: given.has('tls') }, output);
    const [first = ''] = drivers;
    const { yamlText } = await import('../fleet/yaml.ts');
    const { exampleDocuments } = await import('../fleet/csi.ts');
    output.out(yamlText(exampleDocuments(first)));
    return exitCode.success;
  },
});

type Driver = Pick<DaemonSetRequest, 'csi' | 'tls'>;

const notADriver: Driver = { csi: [], tls: false };

async function print(given: DaemonSetFlags, driver: Driver, output: Output): Promise<number> {
  const { yamlText } = await import('../fleet/yaml.ts');
  const configMaps = await configMapsOf(given);
  if (given.value('image') === undefined && configMaps.length > 0) {
    refuseWithoutImage(given);
    output.out(yamlText(configMaps));
  } else {
    // To apply a ConfigMap takes back whatever is not in it: only those that are asked for.
    const { daemonSetDocuments } = await import('../fleet/daemonset.ts');
    const request = { ...requestOf(given), ...driver };
    if (request.csi.length > 0 && request.kubernetesMinor < firstWithCsi) throw tooOldForCsi();
    output.out(yamlText(daemonSetDocuments(request, configMaps)));
  }
  return exitCode.success;
}

/** CSIDriver of storage.k8s.io/v1. */
const firstWithCsi = 18;

function tooOldForCsi(): MounterError {
  return badFlag(
    'kubernetes',
    `CSI takes 1.${firstWithCsi} or newer`,
    "use mounter manifest daemonset, and kubelet's flag --experimental-mounter-path",
  );
}

async function configMapsOf(flags: DaemonSetFlags): Promise<readonly CommentedDocument[]> {
  const names = namesOf(flags);
  const file = flags.value('settings');
  const settings = file && (await (await import('../fleet/settings-file.ts')).readSettings(file));
  const state = gateStateOf(flags);
  const { gateDocument, settingsDocument } = await import('../fleet/daemonset.ts');
  return [
    ...(state === undefined ? [] : [gateDocument(names, state)]),
    ...(settings === undefined ? [] : [settingsDocument(names, settings)]),
  ];
}

function gateStateOf(flags: DaemonSetFlags): GateState | undefined {
  const enabled = flags.value('enabled');
  if (flags.has('remove')) {
    if (enabled === undefined) return 'removed';
    throw badFlag('remove', 'contradicts --enabled: removed is off, too', 'give one of the two');
  }
  if (enabled === undefined) return undefined;
  return fitting('enabled', enabled, /^(true|false)$/, 'false, or true') === 'true' ? 'on' : 'off';
}

/** What would be left out in silence. */
function refuseWithoutImage(flags: Flags): void {
  const given = flagsOf({ ...daemonSetFlags, ...driverFlags }).find(({ name, takesValue }) =>
    takesValue ? flags.values(name).length > 0 : flags.has(name),
  );
  if (given === undefined) return;
  throw badFlag(
    given.name,
    'is of the DaemonSet, which is not printed without --image',
    'add --image, or leave it out',
  );
}

function namesOf(flags: DaemonSetFlags): ObjectNames {
  return {
    name: fitting('name', flags.value('name'), label, 'containerized-mounter'),
    namespace: fitting('namespace', flags.value('namespace'), label, 'kube-system'),
  };
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function requestOf(flags: DaemonSetFlags): Omit<DaemonSetRequest, keyof Driver> {
  const interval = flags.value('interval');
  const metrics = flags.value('metrics');
  const selinuxType = flags.value('selinux-type');
  const image = requiredFlag(flags, 'image', 'registry.example/mounter-node-agent@sha256:…');
  return {
    image: pinnedReference('image', image),
    ...namesOf(flags),
    nodeSelector: Object.fromEntries(flags.values('node-selector').map(selectorOf)),
    tolerations: tolerationsOf(flags.values('toleration')),
    maxUnavailable: maxUnavailableOf(flags.value('max-unavailable')),
    architectures: architecturesOf(flags.values('architecture')),
    helpers: flags.has('helpers'),
    home: plainPath('home', flags.value('home'), defaultHome),
    metricsFile: metrics === undefined ? undefined : plainPath('metrics', metrics, usualMetricsFile),
    intervalSeconds:
      interval === undefined ? undefined : Number(fitting('interval', interval, /^[1-9]\d{0,4}$/, '60')),
    kubernetesMinor: minorOf(flags.value('kubernetes')),
    selinuxType:
      selinuxType === undefined ? undefined : fitting('selinux-type', selinuxType, /^[a-z0-9_]+$/, 'spc_t'),
  };
}

const labelKey = '([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?';
const labelValue = '([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?';

function selectorOf(word: string): readonly [string, string] {
  fitting('node-selector', word, new RegExp(`^${labelKey}=${labelValue}$`), 'storage=yes');
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}

/** `KEY[=VALUE][:EFFECT]`, as kubectl taint writes them. */
function tolerationsOf(words: readonly string[]): readonly Toleration[] | undefined {
  if (words.length === 0) return undefined;
  const effects = 'NoSchedule|PreferNoSchedule|NoExecute';
  return words.map((word) => {
    const pattern = new RegExp(`^${labelKey}(=${labelValue})?(:(${effects}))?$`);
    fitting('toleration', word, pattern, 'dedicated=storage:NoSchedule');
    const [, key = '', value, effect] = /^([^=:]*)(?:=([^:]*))?(?::(.*))?$/.exec(word) ?? [];
    return {
      key,
      operator: value === undefined ? 'Exists' : 'Equal',
      ...(value === undefined ? {} : { value }),
      ...(effect === undefined ? {} : { effect }),
    } as const;
  });
}

/** Kubernetes allows no 0: an update would never begin. */
function maxUnavailableOf(word: string): number | string {
  fitting('max-unavailable', word, /^([1-9]\d{0,4}|([1-9]\d?|100)%)$/, '1, or 10%');
  return word.endsWith('%') ? word : Number(word);
}

function architecturesOf(words: readonly string[]): DaemonSetRequest['architectures'] {
  const wanted = words.map((word) => {
    if (word === 'amd64' || word === 'arm64') return word;
    throw badFlag(
      'architecture',
      `${word} is not an architecture we build for`,
      '--architecture amd64, or arm64',
    );
  });
  return wanted.length === 0 ? [ownArchitecture] : [...new Set(wanted)];
}

function minorOf(word: string): number {
  return Number(fitting('kubernetes', word, /^1\.\d{1,2}$/, '1.29').slice(2));
}
