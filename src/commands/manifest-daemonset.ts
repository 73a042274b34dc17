import { closeSync, openSync, readSync } from 'node:fs';
import { exitCode } from '../exit-codes.ts';
import {
  type DaemonSetRequest,
  daemonSetDocuments,
  gateDocument,
  type ObjectNames,
  settingsDocument,
  type Toleration,
} from '../fleet/daemonset.ts';
import { type CommentedDocument, yamlText } from '../fleet/yaml.ts';
import { shippedText } from '../manifest/shipped.ts';
import { defaultHome } from '../node/layout.ts';
import type { GateState } from '../node-agent/gate.ts';
import { checkSettings } from '../node-agent/settings.ts';
import { longestText } from '../node-agent/strict-json.ts';
import { type Flags, parseFlags } from './flags.ts';
import { badFlag, fitting, pinnedReference, plainPath, requiredFlag } from './manifest-flags.ts';

/**
 * `mounter manifest daemonset`: the DaemonSet, and of the ConfigMaps beside it those that are asked for: to apply one
 * takes back whatever is not in it. Without an image only those.
 * @returns YAML for kubectl apply.
 */
export async function daemonSetText(argv: readonly string[]): Promise<string> {
  const flags = parseFlags('manifest', argv, {
    boolean: ['remove', ...ofDaemonSetAlone.boolean],
    string: ['image', 'name', 'namespace', 'enabled', 'settings', ...ofDaemonSetAlone.string],
    operands: [0, 0],
  });
  const configMaps = configMapsOf(flags);
  if (flags.value('image') !== undefined || configMaps.length === 0)
    return yamlText(daemonSetDocuments(requestOf(flags), configMaps));
  refuseWithoutImage(flags);
  return yamlText(configMaps);
}

function configMapsOf(flags: Flags): readonly CommentedDocument[] {
  const names = namesOf(flags);
  const file = flags.value('settings');
  const state = gateStateOf(flags);
  return [
    ...(state === undefined ? [] : [gateDocument(names, state)]),
    ...(file === undefined ? [] : [settingsDocument(names, settingsOf(file))]),
  ];
}

function gateStateOf(flags: Flags): GateState | undefined {
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
  const { boolean, string } = ofDaemonSetAlone;
  const given = boolean.find(flags.has) ?? string.find((name) => flags.values(name).length > 0);
  if (given === undefined) return;
  throw badFlag(
    given,
    'is of the DaemonSet, which is not printed without --image',
    'add --image, or leave it out',
  );
}

function namesOf(flags: Flags): ObjectNames {
  return {
    name: fitting('name', flags.value('name') ?? 'containerized-mounter', label, 'containerized-mounter'),
    namespace: fitting('namespace', flags.value('namespace') ?? 'kube-system', label, 'kube-system'),
  };
}

/** The flags that say nothing about a ConfigMap. */
const ofDaemonSetAlone = {
  boolean: ['helpers'],
  string: [
    'node-selector',
    'toleration',
    'max-unavailable',
    'architecture',
    'home',
    'interval',
    'kubernetes',
    'selinux-type',
  ],
} as const;

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function requestOf(flags: Flags): DaemonSetRequest {
  const interval = flags.value('interval');
  const selinuxType = flags.value('selinux-type');
  const image = requiredFlag(flags, 'image', 'registry.example/mounter-node-agent@sha256:…');
  return {
    image: pinnedReference('image', image),
    ...namesOf(flags),
    nodeSelector: Object.fromEntries(flags.values('node-selector').map(selectorOf)),
    tolerations: tolerationsOf(flags.values('toleration')),
    maxUnavailable: maxUnavailableOf(flags.value('max-unavailable') ?? '10%'),
    architecture: architectureOf(flags.value('architecture') ?? 'amd64'),
    helpers: flags.has('helpers'),
    home: plainPath('home', flags.value('home') ?? defaultHome),
    intervalSeconds:
      interval === undefined ? undefined : Number(fitting('interval', interval, /^[1-9]\d{0,4}$/, '60')),
    kubernetesMinor: minorOf(flags.value('kubernetes') ?? '1.30'),
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

function architectureOf(word: string): 'amd64' | 'arm64' {
  if (word === 'amd64' || word === 'arm64') return word;
  throw badFlag('architecture', `${word} is none we build for`, '--architecture amd64, or arm64');
}

function minorOf(word: string): number {
  return Number(fitting('kubernetes', word, /^1\.\d{1,2}$/, '1.29').slice(2));
}

/**
 * @throws MounterError (usage) for what a node would refuse, in the same words: laid over the manifest that we ship.
 * And for an empty file: what was to write it may have failed, and it would take all settings back.
 */
function settingsOf(file: string): string {
  const subject = `--settings ${file}`;
  const text = readSettingsFile(file);
  if (text.trim() === '') throw badFlag('settings', `${file} is empty`, 'write {} to take all settings back');
  const { wanted: settings } = checkSettings(shippedText, text, subject, exitCode.usage);
  return JSON.stringify(settings, undefined, 2);
}

/** No more of it than settings may have, and one byte: it may be /dev/zero. */
function readSettingsFile(file: string): string {
  try {
    const fd = openSync(file, 'r');
    try {
      return readUpTo(fd, longestText + 1);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw badFlag(
      'settings',
      `cannot be read: ${(error as Error).message}`,
      'name a file with JSON in it, such as {"limits": {"mountSeconds": 60}}',
    );
  }
}

function readUpTo(fd: number, limit: number): string {
  const bytes = Buffer.alloc(limit);
  let length = 0;
  for (let read = 1; read > 0 && length < limit; length += read)
    read = readSync(fd, bytes, length, limit - length, null);
  return bytes.toString('utf8', 0, length);
}
