import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Filesystem, NodeSettings } from '../../manifest/manifest.ts';
import type { OptionRules } from '../../manifest/policy.ts';
import { maskSecrets } from '../../secrets.ts';
import type { MountOption } from '../arguments/options.ts';
import type { MountRequest } from '../arguments/request.ts';
import { isKnownName, requestedVersion, unclearVersion } from '../filesystems/nfs/options.ts';
import { defaultForbidden, fileOptions, neverAllowed } from './defaults.ts';
import { isInForce, isSameVersion, isSurely, mayBe, readEntry } from './entry.ts';
import { hidesOptions, type OptionReading, optionReadings, wholeOptions } from './readings.ts';

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
  request: Pick<MountRequest, 'fstype' | 'source' | 'options'>,
  manifest: Pick<NodeSettings, 'policy' | 'mounts'>,
): readonly WrittenFile[] {
  const { source, options } = request;
  if (kind !== 'generic' && leadsUp(source)) throw refusedUp(source);
  const readings = optionReadings(kind, options);
  const never = neverAllowed.find(({ option }) => readings.some(({ name }) => name === option));
  if (never !== undefined) throw refused(never.option, never.message, never.hint);
  const subdirectory = readings.find(({ name, value = '' }) => name === 'subdir-mount' && leadsUp(value));
  if (subdirectory !== undefined) throw refusedUp(subdirectory.name);
  const lists = listsFor(kind, manifest.policy.options);
  const inEffect = [...readings, ...ofVersion(kind, request)];
  for (const list of lists) {
    checkForbidden(list, kind, inEffect);
    checkRequired(list, kind, request);
  }
  if (hidesOptions(kind, options)) throw hiddenOption();
  if (kind === 'nfs') checkVersionIsClear(options);
  for (const { rules, setting } of lists)
    if (rules.allowed !== undefined) checkAllowed(rules.allowed, setting, kind, options);
  return readings.flatMap((option) => writtenFile(option, manifest));
}

/** The version that comes of the type and all options together, as one more option. */
function ofVersion(
  kind: Filesystem['kind'],
  { fstype, options }: Pick<MountRequest, 'fstype' | 'options'>,
): readonly OptionReading[] {
  const value = kind === 'nfs' ? requestedVersion(fstype, options) : undefined;
  if (value === undefined) return [];
  const text = `vers=${value}`;
  const says = [{ name: 'vers', value }];
  return [{ name: 'vers', value, text, isExactName: true, isExact: true, says, mayMean: [] }];
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
  readings: readonly OptionReading[],
): void {
  const entries = (rules.forbidden ?? []).flatMap((entry) =>
    entry === '@default' ? defaultForbidden[kind] : [entry],
  );
  for (const entry of entries) {
    const wanted = readEntry(kind, entry);
    const found = readings.find((option) => mayBe(wanted, option));
    if (found === undefined) continue;
    // The entry is shown and not what was written: that could be the half of a password with a comma in it.
    const asked = isKnownName(found.name) && found.name !== entry.split('=')[0] ? found.name : undefined;
    throw refused(
      entry,
      `this mount option is forbidden on this node (${setting}.forbidden of the manifest)${asked === undefined ? '' : `, and ${asked} asks for it`}`,
      `leave ${asked ?? 'it'} out; whoever runs the node can change the list in the manifest`,
    );
  }
}

/** In one reading alone, that of whole options: nothing hides in one of them, that is seen to before. */
function checkAllowed(
  allowed: readonly string[],
  setting: string,
  kind: Filesystem['kind'],
  options: string,
): void {
  const entries = allowed.filter((entry) => entry !== '@default');
  const wanted = entries.map((entry) => readEntry(kind, entry));
  const isSecretFree = maskSecrets(options) === options && kind !== 'generic';
  for (const [index, option] of wholeOptions(kind, options).entries()) {
    if (wanted.some((entry) => isSurely(entry, option))) continue;
    throw refused(
      isSecretFree && /^[a-z0-9._-]+$/.test(option.name) ? option.name : `option number ${index + 1}`,
      `this mount option is not one of those allowed on this node (${setting}.allowed of the manifest)`,
      `allowed are, spelled exactly so: ${entries.join(', ') || 'none'}`,
    );
  }
}

/** In both readings, of whole options and of all pieces: what only one reader sees is not in force for all. */
function checkRequired(
  { rules, setting }: OptionList,
  kind: Filesystem['kind'],
  { fstype, options }: Pick<MountRequest, 'fstype' | 'options'>,
): void {
  if (rules.required === undefined) return;
  const pieces = optionReadings(kind, options);
  const whole = wholeOptions(kind, options);
  for (const entry of rules.required) {
    const wanted = readEntry(kind, entry);
    const isOfVersion = kind === 'nfs' && wanted.prefix === undefined && wanted.name === 'vers';
    const isRequiredInForce = isOfVersion
      ? isVersionInForce(wanted.value, requestedVersion(fstype, options))
      : isInForce(wanted, pieces) && isInForce(wanted, whole);
    if (isRequiredInForce) continue;
    throw refused(
      entry,
      `this mount option is required on this node (${setting}.required of the manifest), and missing or taken back`,
      `add ${entry} to the mount options, spelled exactly so, as the last that say anything about it`,
    );
  }
}

function isVersionInForce(wanted: string | undefined, requested: string | undefined): boolean {
  return requested !== undefined && (wanted === undefined || isSameVersion(requested, wanted));
}

/** @throws MounterError (usage, class bad-option): what is read in two ways can be held against no policy. */
function checkVersionIsClear(options: string): void {
  const subject = unclearVersion(options);
  if (subject === undefined) return;
  throw new MounterError(
    'the version of NFS is asked for more than once, or in a way that mount.nfs and the kernel read differently',
    {
      subject,
      status: exitCode.usage,
      errorClass: 'bad-option',
      hint: 'name the version once, as vers=3, vers=4.1 or vers=4.2',
    },
  );
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
  // An URL, which mount.nfs takes since nfs-utils 2.8.3, and decodes.
  const plain = path.startsWith('nfs://') ? path.replace(/%2e/gi, '.').replace(/%2f|\?/gi, '/') : path;
  return /(^|[/:])\.\.(\/|$)/.test(plain);
}

function refusedUp(subject: string): MounterError {
  return refused(
    subject,
    'has a ".." in it, which could lead out of the directory that was meant',
    'write the path without it',
  );
}

function hiddenOption(): MounterError {
  return refused(
    'options',
    'a comma in quotes with something other than an SELinux category behind it, or a backslash before a comma ' +
      'or a quote: one reader takes it for the end of an option, and another does not, past policy.options of the manifest',
    'write the value without the comma, and without the backslash',
  );
}

function refused(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { status: exitCode.usage, errorClass: 'policy', subject, hint });
}
