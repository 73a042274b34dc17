import { dirname } from 'node:path';
import * as v from 'valibot';
import { describeIssue, isUnknownName, manifestSchema, settingNamed } from '../manifest/manifest.ts';
import { defaultPlace } from '../manifest/record-place.ts';
import { isObject } from '../manifest/renamed.ts';
import { nearest } from '../nearest.ts';

/**
 * Which settings a ConfigMap may have. Whoever may edit a ConfigMap of one namespace is not root on the nodes, and
 * must not become it: so nothing that names a program, its arguments, a path of the host or a file that root
 * writes. All that stands in the image's own manifest, which is pinned by its digest in the DaemonSet.
 */

const { enabled, enter, limits, policy, resolver, log } = manifestSchema.entries;

/** The list: these sections and all below them; of `filesystems` what names no program. */
const settableSchema = v.partial(
  v.strictObject({
    enabled,
    enter,
    limits: v.partial(limits),
    policy,
    resolver,
    log,
    filesystems: v.unknown(),
  }),
);
const settable = Object.keys(settableSchema.entries);

const program = 'it chooses a program that runs as root on every node';
const ofTheImage = "it is the image's own";
/** The sections of the manifest that a ConfigMap may not set, and why. */
const reasons: Readonly<Record<Exclude<keyof typeof manifestSchema.entries, Settable>, string>> = {
  daemons: program,
  mounts: "it chooses what of the host's files is in the rootfs",
  security: "it chooses files of the host's that daemons of root's go by",
  rootfs: ofTheImage,
  formatVersion: ofTheImage,
  $schema: ofTheImage,
};
type Settable = keyof typeof settableSchema.entries;

/** What is wrong with a setting: its path and why in one line, and what to do. */
export interface Objection {
  readonly message: string;
  readonly hint: string;
}

type Json = Readonly<Record<string, unknown>>;

const intoTheImage =
  'take it out; if it is meant so, write it to rootfs-manifest.json, build the image again (npm run rootfs, npm run image) and name its new digest';

/** @returns undefined where a ConfigMap may have all of them, and each has a value that it may have. */
export function objectionTo(settings: Json): Objection | undefined {
  return (
    objectionToNames(settings) ??
    objectionToFilesystems(settings) ??
    objectionToValues(settings) ??
    objectionToLogFile(settings) ??
    objectionToImages(settings) ??
    objectionToForbidden(settings)
  );
}

function objectionToNames(settings: Json): Objection | undefined {
  const [strange] = membersOf(settings).filter(({ name }) => name in {});
  if (strange !== undefined) return noSuchSetting(strange.path, undefined);
  for (const [section, value] of Object.entries(settings)) {
    if (settable.includes(section)) continue;
    if (!Object.hasOwn(reasons, section))
      return noSuchSetting(section, nearest(section, settable) ?? settingNamed(section));
    return notSettable(section, value, reasons[section as keyof typeof reasons]);
  }
  return undefined;
}

function notSettable(path: string, value: unknown, reason: string): Objection {
  const [first = path] = leavesOf(path, value);
  return { message: `${first}: a ConfigMap may not set this: ${reason}`, hint: intoTheImage };
}

function objectionToFilesystems({ filesystems }: Json): Objection | undefined {
  if (filesystems === undefined) return undefined;
  const takeAway = `write null for a type that is to be taken away, as {"nfs": null}, or {"nfs": {"readAheadKib": 1024}}; all else: ${intoTheImage}`;
  if (!isObject(filesystems)) return { ...notSettable('filesystems', filesystems, program), hint: takeAway };
  const [other] = Object.entries(filesystems).filter(
    ([, value]) => value !== null && !isReadAheadAlone(value),
  );
  if (other === undefined) return undefined;
  return { ...notSettable(`filesystems.${other[0]}`, other[1], program), hint: takeAway };
}

function isReadAheadAlone(value: unknown): boolean {
  return isObject(value) && Object.keys(value).join() === 'readAheadKib';
}

/** A type that nobody offers is one that somebody still gets, by the name that was meant. */
export function objectionToTypes(
  { filesystems = {} }: Json,
  offered: readonly string[],
): Objection | undefined {
  const strange = Object.keys(filesystems as Json).find((type) => !offered.includes(type));
  return strange === undefined
    ? undefined
    : noSuchSetting(`filesystems.${strange}`, nearest(strange, offered));
}

function noSuchSetting(path: string, meant: string | undefined): Objection {
  const hint =
    meant === undefined
      ? `take it out; a ConfigMap may set ${settable.join(', ')}, as rootfs-manifest.json has them`
      : `did you mean ${meant}?`;
  return { message: `${path}: there is no such setting`, hint };
}

/** Checks the values by the manifest's own schema. Whether they fit the rest of the manifest is seen on the node. */
function objectionToValues(settings: Json): Objection | undefined {
  const result = v.safeParse(settableSchema, settings, { abortEarly: true });
  if (result.success) return undefined;
  const [issue] = result.issues;
  const { names, message } = describeIssue(issue);
  const path = names.join('.');
  if (isUnknownName(issue)) return noSuchSetting(path, /did you mean (.*)\?$/.exec(message)?.[1]);
  return { message: `${path}: ${message}`, hint: 'mend this setting, or take it out' };
}

const logDirectory = dirname(defaultPlace.file);

/** Root makes the file, adds to it and renames it when it is full: another's log would go, or sshd's keys. */
function objectionToLogFile({ log }: Json): Objection | undefined {
  const file = isObject(log) ? log.file : undefined;
  if (typeof file !== 'string' || dirname(file) === logDirectory) return undefined;
  return {
    message: `log.file: a ConfigMap may not set this to a file that is not directly in ${logDirectory}: root writes it and renames it`,
    hint: `name a file such as ${defaultPlace.file}, or take it out`,
  };
}

/**
 * A list in place of `@default` allows options that make a helper run another program, or write a file of the
 * asker's choice: with it whoever may create a Pod would be root.
 */
function objectionToForbidden({ policy }: Json): Objection | undefined {
  const options = isObject(policy) && isObject(policy.options) ? policy.options : {};
  const lists = Object.entries({ '': options, ...options }).flatMap(([kind, rules]) =>
    isObject(rules) && Array.isArray(rules.forbidden)
      ? [{ path: `policy.options.${kind}${kind === '' ? '' : '.'}forbidden`, entries: rules.forbidden }]
      : [],
  );
  const loose = lists.find(({ entries }) => !entries.includes('@default'));
  if (loose === undefined) return undefined;
  return {
    message: `${loose.path}: a ConfigMap may not set this without "@default": authors of Pods could choose programs and files of root's`,
    hint: `write "@default" first in it, or take it out`,
  };
}

/** It names files of the node, and whoever may loosen it could have any image installed. */
function objectionToImages({ policy }: Json): Objection | undefined {
  if (!isObject(policy) || policy.images === undefined) return undefined;
  return {
    message: 'policy.images: a ConfigMap may not set this: it says whose images run as root on every node',
    hint: 'take it out, and write it to node-settings.json of each node',
  };
}

/** Every member at every depth, lists included. */
function membersOf(value: unknown, at = ''): readonly { readonly name: string; readonly path: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = at === '' ? name : `${at}.${name}`;
    return [...(Array.isArray(value) ? [] : [{ name, path }]), ...membersOf(inner, path)];
  });
}

/** The paths of the values that a section sets. */
function leavesOf(path: string, value: unknown): readonly string[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(`${path}.${name}`, inner));
}
