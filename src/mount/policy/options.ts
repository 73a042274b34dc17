import { type MounterError, policyError } from '../../errors.ts';
import type { NodeSettings } from '../../manifest/manifest.ts';
import type { OptionRules } from '../../manifest/policy.ts';
import { identityMounts } from '../../manifest/shared-mounts.ts';
import { maskSecrets } from '../../secrets.ts';
import type { MountOption } from '../arguments/options.ts';
import type { Asked, FilesystemDriver, OptionGrammar } from '../filesystems/filesystem-driver.ts';
import {
  hidesOptions,
  type OptionReading,
  optionReadings,
  wholeOptions,
} from '../filesystems/option-readings.ts';
import type { WrittenFile } from '../plan-data.ts';
import { isInForce, isSurely, mayBe, readEntry } from './entry.ts';

/** What no manifest can allow, and why. */
interface NeverAllowed {
  readonly option: string;
  readonly message: string;
  readonly hint: string;
}

/** Wherever one stands among the options: what would win later on is not waited for. */
const neverAllowed: readonly NeverAllowed[] = [
  {
    option: 'bg',
    message:
      'mount.nfs would report success with nothing mounted, and a daemon would keep trying for ever; ' +
      'no policy.options of the settings allows that',
    hint: 'leave bg out: kubelet tries a failed mount again by itself',
  },
  {
    // It acts on whatever is mounted on the target, by whomever, and would act on this call's own place alone.
    option: 'remount',
    message:
      'mounter makes mounts, and changes none that is there; no policy.options of the settings allows that',
    hint: 'umount the target, and mount it again with the options that it is to have, without remount',
  },
];

/**
 * Holds the source and the options against `policy.options` of the manifest and the defaults. Pure.
 * @returns the files that the options name.
 * @throws MounterError (usage, class `policy`) that names the option and the setting, and no value.
 */
export function checkPolicy(
  driver: FilesystemDriver,
  request: Pick<Asked, 'fstype' | 'source' | 'options'>,
  manifest: Pick<NodeSettings, 'policy' | 'mounts'>,
): readonly WrittenFile[] {
  const { source, options } = request;
  const grammar = driver.options;
  if (grammar.isReaderKnown && leadsUp(driver.decodedSource(source))) throw refusedUp(source);
  const readings = optionReadings(grammar, options);
  const never = neverAllowed.find(({ option }) => readings.some(({ name }) => name === option));
  if (never !== undefined) throw policyError(never.option, never.message, never.hint);
  const subdirectory = readings.find(
    ({ name, value = '' }) => grammar.subdirectories.includes(name) && leadsUp(value),
  );
  if (subdirectory !== undefined) throw refusedUp(subdirectory.name);
  const lists = listsFor(driver, manifest.policy.options);
  const inEffect = [...readings, ...ofVersion(grammar, request)];
  for (const list of lists) {
    checkForbidden(list, grammar, inEffect);
    checkRequired(list, grammar, request);
  }
  refuseHidden(grammar, options);
  grammar.refuseUnclear(options);
  for (const { rules, setting } of lists)
    if (rules.allowed !== undefined) checkAllowed(rules.allowed, setting, grammar, options);
  return readings
    .filter(({ name }) => grammar.writtenFiles.includes(name))
    .map((option) => writtenFile(option, manifest));
}

/** The version that comes of the type and all options together, as one more option. */
function ofVersion(
  grammar: OptionGrammar,
  request: Pick<Asked, 'fstype' | 'options'>,
): readonly OptionReading[] {
  const value = grammar.version(request)?.value;
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

/** The rules for all filesystems, and those for this kind. The default holds until either has a `forbidden`. */
function listsFor(
  { kind }: FilesystemDriver,
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
  grammar: OptionGrammar,
  readings: readonly OptionReading[],
): void {
  for (const entry of rules.forbidden ?? []) {
    if (entry !== '@default') refuseThose([entry], setting, grammar, readings);
    else {
      const others = readings.filter(({ text }) => !grammar.harmless.includes(text));
      refuseThose(grammar.forbidden, setting, grammar, others);
    }
  }
}

function refuseThose(
  entries: readonly string[],
  setting: string,
  grammar: OptionGrammar,
  readings: readonly OptionReading[],
): void {
  const names = readings.flatMap(({ says, mayMean }) => [...says, ...mayMean].map(({ name }) => name));
  for (const entry of entries) {
    const wanted = readEntry(grammar, entry);
    // Every mount comes by here, and nearly every entry is about none of its options.
    if (wanted.prefix === undefined && !names.includes(wanted.name)) continue;
    const found = readings.find((option) => mayBe(wanted, option));
    if (found === undefined) continue;
    // The entry is shown and not what was written: that could be the half of a password with a comma in it.
    const asked =
      grammar.isKnownName(found.name) && found.name !== entry.split('=')[0] ? found.name : undefined;
    throw policyError(
      entry,
      `this mount option is forbidden on this node (${setting}.forbidden of the settings)${asked === undefined ? '' : `, and ${asked} asks for it`}`,
      `leave ${asked ?? 'it'} out; whoever runs the node can change the list in node-settings.json`,
    );
  }
}

/** Looks at whole options alone: `hidesOptions` has made sure that nothing hides in one of them. */
function checkAllowed(
  allowed: readonly string[],
  setting: string,
  grammar: OptionGrammar,
  options: string,
): void {
  const entries = allowed.filter((entry) => entry !== '@default');
  const wanted = [...entries, ...grammar.ownOptions].map((entry) => readEntry(grammar, entry));
  const isSecretFree = maskSecrets(options) === options && grammar.isReaderKnown;
  for (const [index, option] of wholeOptions(grammar, options).entries()) {
    if (wanted.some((entry) => isSurely(entry, option))) continue;
    throw policyError(
      isSecretFree && /^[a-z0-9._-]+$/.test(option.name) ? option.name : `option number ${index + 1}`,
      `this mount option is not one of those allowed on this node (${setting}.allowed of the settings)`,
      `allowed are, spelled exactly so: ${entries.join(', ') || 'none'}`,
    );
  }
}

/** A required option has to be in force for whoever reads whole options, and for whoever splits them further. */
function checkRequired(
  { rules, setting }: OptionList,
  grammar: OptionGrammar,
  request: Pick<Asked, 'fstype' | 'options'>,
): void {
  if (rules.required === undefined) return;
  const pieces = optionReadings(grammar, request.options);
  const whole = wholeOptions(grammar, request.options);
  const hasVersion = grammar.version(request) !== undefined;
  for (const entry of rules.required) {
    const wanted = readEntry(grammar, entry);
    const isOfVersion = hasVersion && wanted.prefix === undefined && wanted.name === 'vers';
    const isRequiredInForce = isOfVersion
      ? ofVersion(grammar, request).some((version) => isSurely(wanted, version))
      : isInForce(wanted, pieces) && isInForce(wanted, whole);
    if (isRequiredInForce) continue;
    throw policyError(
      entry,
      `this mount option is required on this node (${setting}.required of the settings), and missing or taken back`,
      `add ${entry} to the mount options, spelled exactly so, as the last that say anything about it`,
    );
  }
}

/**
 * Not in `pods`, where containers write: kubelet's place is `plugins/kubernetes.io/glusterfs/VOLUME/POD-glusterfs.log`.
 * Nothing but a log is named `*.log` there: another file could be one that kubelet lives by.
 */
function writtenFile(
  { name, value = '', text }: MountOption,
  { mounts }: Pick<NodeSettings, 'mounts'>,
): WrittenFile {
  const directories = identityMounts(mounts);
  // Byte for byte what the helper gets: no quote taken away, no other case.
  const isPlain = text === `${name}=${value}`;
  const identityMount = directories.find((directory) => value.startsWith(`${directory}/`));
  if (isPlain && identityMount !== undefined && isCanonical(value)) {
    const isOfPods = value.startsWith(`${identityMount}/pods/`);
    if (!isOfPods && (name !== 'log-file' || value.endsWith('.log')))
      return { option: name, path: value, identityMount };
  }
  throw policyError(
    name,
    `the helper may write no file there: only below ${directories.join(' or ')}, outside of its pods directory, ` +
      'by a path without ".." and, for a log, with a name that ends in .log (policy.options)',
    `leave ${name} out, or write ${name}=${directories[0]}/plugins/kubernetes.io/glusterfs/VOLUME/NAME.log, in a directory that exists`,
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
  return policyError(
    subject,
    'has a ".." in it, which could lead out of the directory that was meant',
    'write the path without it',
  );
}

/** @throws MounterError (usage, class policy) for an option in which one of its readers could see another. */
export function refuseHidden(grammar: OptionGrammar, options: string): void {
  if (!hidesOptions(grammar, options)) return;
  throw policyError(
    'options',
    'a comma in quotes with something other than an SELinux category behind it, or a backslash before a comma ' +
      'or a quote: one reader takes it for the end of an option, and another does not, past policy.options of the settings',
    'write the value without the comma, and without the backslash',
  );
}
