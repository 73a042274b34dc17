import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { OptionRules } from '../rootfs/manifest/policy.ts';
import type { Filesystem, NodeSettings } from '../rootfs/manifest.ts';
import { type MountOption, maskSecrets, parseOptions } from './options.ts';
import { defaultForbidden, fileOptions, neverAllowed } from './policy/defaults.ts';
import { isInForce, matchesEntry } from './policy/entry.ts';
import { hidesOptions, optionReadings, wholeOptions } from './policy/readings.ts';
import type { MountRequest } from './request.ts';

/** A file that a helper is told to write, and what of it has to be looked at before the helper does. */
export interface WrittenFile {
  readonly option: string;
  readonly path: string;
  readonly identityMount: string;
}

/**
 * Holds the source and the options against `policy.options` of the manifest and the defaults. Pure.
 * @returns the files that the options name.
 * @throws MounterError (usage, class `policy`) that names the option and the setting, and no value.
 */
export function checkPolicy(
  kind: Filesystem['kind'],
  { source, options }: Pick<MountRequest, 'source' | 'options'>,
  manifest: Pick<NodeSettings, 'policy' | 'mounts'>,
): readonly WrittenFile[] {
  if (kind !== 'generic' && leadsUp(source)) throw refusedUp(source);
  const readings = optionReadings(kind, options);
  if (readings.some((option) => matchesEntry(neverAllowed, option))) throw backgroundMount();
  const subdirectory = readings.find(({ name, value = '' }) => name === 'subdir-mount' && leadsUp(value));
  if (subdirectory !== undefined) throw refusedUp(subdirectory.name);
  for (const list of listsFor(kind, manifest.policy.options)) {
    checkForbidden(list, kind, readings);
    if (list.rules.allowed !== undefined) checkAllowed(list.rules.allowed, list.setting, kind, options);
    checkRequired(list, kind, options);
  }
  return readings.flatMap((option) => writtenFile(option, manifest));
}

/** Rules and where in the manifest they stand. */
interface OptionList {
  readonly rules: OptionRules;
  readonly setting: string;
}

/** Those for all filesystems, and those for this kind. The default holds until either has a `forbidden`. */
function listsFor(
  kind: Filesystem['kind'],
  general: NodeSettings['policy']['options'],
): readonly OptionList[] {
  const special = general[kind] ?? {};
  const isDefault = general.forbidden === undefined && special.forbidden === undefined;
  return [
    { rules: isDefault ? { ...general, forbidden: ['@default'] } : general, setting: 'policy.options' },
    { rules: special, setting: `policy.options.${kind}` },
  ];
}

function checkForbidden(
  { rules, setting }: OptionList,
  kind: Filesystem['kind'],
  readings: readonly MountOption[],
): void {
  const entries = (rules.forbidden ?? []).flatMap((entry) =>
    entry === '@default' ? defaultForbidden[kind] : [entry],
  );
  // The entry is shown and not what was written: that could be the half of a password with a comma in it.
  const entry = entries.find((candidate) => readings.some((option) => matchesEntry(candidate, option)));
  if (entry === undefined) return;
  throw refused(
    entry,
    `this mount option is forbidden on this node (${setting}.forbidden of the manifest)`,
    'leave it out; whoever runs the node can change the list in the manifest',
  );
}

/** In one reading alone, that of whole options: so nothing may hide in one of them. */
function checkAllowed(
  allowed: readonly string[],
  setting: string,
  kind: Filesystem['kind'],
  options: string,
): void {
  if (hidesOptions(kind, options)) throw hiddenOption(setting);
  const entries = allowed.filter((entry) => entry !== '@default');
  const isSecretFree = maskSecrets(options) === options && kind !== 'generic';
  for (const [index, { text }] of parseOptions(options).entries()) {
    const readings = wholeOptions(kind, text);
    if (readings.some((option) => entries.some((entry) => matchesEntry(entry, option)))) continue;
    const name = readings[0]?.name ?? '';
    throw refused(
      isSecretFree && /^[a-z0-9._-]+$/.test(name) ? name : `option number ${index + 1}`,
      `this mount option is not one of those allowed on this node (${setting}.allowed of the manifest)`,
      `allowed are: ${entries.join(', ') || 'none'}`,
    );
  }
}

/** In both readings, of whole options and of all pieces: what only one reader sees is not in force for all. */
function checkRequired({ rules, setting }: OptionList, kind: Filesystem['kind'], options: string): void {
  const pieces = optionReadings(kind, options);
  const whole = wholeOptions(kind, options);
  for (const entry of rules.required ?? []) {
    if (isInForce(entry, pieces) && isInForce(entry, whole)) continue;
    throw refused(
      entry,
      `this mount option is required on this node (${setting}.required of the manifest), and missing or taken back`,
      `add ${entry} to the mount options, as the last that say anything about it`,
    );
  }
}

/**
 * Only below an identity mount, and not in `pods`, where containers write: kubelet's own place for such
 * files is `plugins/kubernetes.io/glusterfs/VOLUME/POD-glusterfs.log`. Nothing but a log is named `*.log`
 * there: a helper told to write another file could spoil one that kubelet lives by.
 */
function writtenFile(
  { name, value = '', text }: MountOption,
  { mounts }: Pick<NodeSettings, 'mounts'>,
): readonly WrittenFile[] {
  if (!fileOptions.includes(name)) return [];
  const directories = mounts.mounter
    .filter((mount) => mount.propagation === 'shared' && mount.host === mount.rootfs)
    .map((mount) => mount.rootfs);
  // Byte for byte what the helper gets: no quote taken away, no other case.
  const isPlain = text === `${name}=${value}`;
  const identityMount = directories.find((directory) => value.startsWith(`${directory}/`));
  if (isPlain && identityMount !== undefined && isCanonical(value)) {
    const isOfPods = value.startsWith(`${identityMount}/pods/`);
    if (!isOfPods && (name !== 'log-file' || value.endsWith('.log')))
      return [{ option: name, path: value, identityMount }];
  }
  throw refused(
    name,
    `the helper may write no file there: only below ${directories.join(' or ')}, outside of its pods directory, ` +
      'by a path without ".." and, for a log, with a name that ends in .log (policy.options)',
    `write ${name}=${directories[0]}/plugins/kubernetes.io/glusterfs/VOLUME/NAME.log, or leave it out`,
  );
}

function isCanonical(path: string): boolean {
  return path
    .split('/')
    .slice(1)
    .every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Out of the directory that was meant to hold it: what was put together from a Pod's words (CVE-2026-3864). */
function leadsUp(path: string): boolean {
  return /(^|[/:])\.\.(\/|$)/.test(path);
}

function refusedUp(subject: string): MounterError {
  return refused(
    subject,
    'has a ".." in it, which could lead out of the directory that was meant',
    'write the path without it',
  );
}

function backgroundMount(): MounterError {
  return refused(
    neverAllowed,
    'mount.nfs would report success with nothing mounted, and a daemon would keep trying for ever; ' +
      'no policy.options of the manifest allows that',
    'leave bg out: kubelet tries a failed mount again by itself',
  );
}

function hiddenOption(setting: string): MounterError {
  return refused(
    'options',
    'a quoted value has a comma in it with something other than an SELinux category behind it, which ' +
      `the kernel or the helper would take for an option of its own, past ${setting}.allowed of the manifest`,
    'write the value without the comma',
  );
}

function refused(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { status: exitCode.usage, errorClass: 'policy', subject, hint });
}
