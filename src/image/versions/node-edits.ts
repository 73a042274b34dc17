import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { MounterError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import { writeAtomically } from '../../host/replace.ts';
import { type Manifest, parseManifest } from '../../manifest/manifest.ts';
import { combinePatches, pathsOf } from '../../manifest/merge-patch.ts';
import { describeOwnSettings, parseNodeSettings } from '../../manifest/node-settings.ts';
import { isObject, withTodaysNames } from '../../manifest/renamed.ts';
import { shippedText } from '../../manifest/shipped.ts';
import type { Layout } from '../../node/layout.ts';
import { type BareNode, readNodeSettings, readSettingsText } from '../../node/node.ts';
import { readRecord } from './version-record.ts';
import { currentDigest, installedDigests } from './versions.ts';

/**
 * A manifest that was edited on its node, which is how a node got settings of its own before it had a file for them:
 * what is edited becomes the node's own, before an install or a roll back puts another manifest in its place.
 */

type Json = Readonly<Record<string, unknown>>;

/**
 * 1. What was edited is what differs from the manifest in the record of the version in use.
 * 2. It goes to node-settings.json, under what stands there already, which is in force.
 * 3. The edited manifest gets the name rootfs-manifest.json.previous, and the one of the record takes its place.
 * Killed between two of them, the node has the settings that it had. Under the node's lock.
 * @param given the manifest that is to be installed: nobody has edited it on the node.
 * @returns what was done, a line each; nothing where nothing was edited.
 * @throws MounterError (system) where node-settings.json is not valid, or others than root can write either.
 */
export function keepEdits({ layout, host }: BareNode, given?: string): readonly string[] {
  const { manifest: path, nodeSettings } = layout;
  const current = readSettingsText(host, path);
  if (current === undefined || current === given || wasPlaced(layout, current)) return [];
  const base = recordedManifest(layout);
  const patch = editsOf(current, base);
  if (patch === undefined && isManifest(current)) return [];
  const previous = `${path}.previous`;
  const done = isManifest(current) ? [] : [`${path} is not valid: it is ${previous} now`];
  if (patch !== undefined) {
    const own = readNodeSettings(host, layout);
    const settings = combinePatches(patch, own === undefined ? {} : parseNodeSettings(own));
    const file = existsSync(nodeSettings) ? realpathSync(nodeSettings) : nodeSettings;
    writeAtomically(file, `${JSON.stringify(settings, undefined, 2)}\n`, 0o644);
    done.push(`kept in ${nodeSettings} what was edited in ${path}: ${pathsOf(patch).join(', ')}`);
  }
  writeAtomically(previous, current, 0o644);
  if (base !== undefined) writeAtomically(path, base, 0o644);
  return done;
}

/**
 * Whether an install has written it. The record of a version is written before its manifest is placed: an install that is
 * killed in between leaves what it was to replace, which the record knows.
 */
function wasPlaced(layout: Layout, text: string): boolean {
  const digest = textDigest(text);
  return installedDigests(layout).some((version) => {
    const record = readRecord(layout, version);
    return record?.manifest === text || record?.replaces === digest;
  });
}

/** For the record of a version that another manifest is about to belong to. */
export function placedDigest({ layout, host }: BareNode): string | null {
  const text = host.readText(layout.manifest);
  return text === undefined ? null : textDigest(text);
}

function textDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The manifest that the version in use was installed with. */
export function recordedManifest(layout: Layout): string | undefined {
  const digest = currentDigest(layout);
  return digest === undefined ? undefined : readRecord(layout, digest)?.manifest;
}

/** What only says how a node mounts: a version that was installed before there were records may have had other programs. */
const sectionsOfNodes = ['enabled', 'enter', 'limits', 'policy', 'resolver', 'log'];

/** @param base undefined where nobody knows what was installed: the manifest that we ship stands for it then. */
function editsOf(current: string, base: string | undefined): Json | undefined {
  const edited = settingsIn(current);
  // Of one that is not valid no mount has gone by the rest. It is still not to be turned on by an install.
  if (!isManifest(current)) return edited.enabled === false ? { enabled: false } : undefined;
  if (base !== undefined) return patchBetween(settingsIn(base), edited);
  const known = (settings: Json) =>
    Object.fromEntries(Object.entries(settings).filter(([name]) => sectionsOfNodes.includes(name)));
  return patchBetween(known(settingsIn(shippedText)), known(edited));
}

export function isManifest(text: string): boolean {
  try {
    parseManifest(text, '');
    return true;
  } catch (error) {
    if (error instanceof MounterError) return false;
    throw error;
  }
}

/** All of it that is not the image's own; nothing of what is no JSON. */
function settingsIn(text: string): Json {
  try {
    const { rootfs, formatVersion, $schema, ...settings } = withTodaysNames(JSON.parse(text));
    return settings;
  } catch {
    return {};
  }
}

/** The JSON merge patch that makes `after` of `before`; undefined where they are the same. */
function patchBetween(before: Json, after: Json): Json | undefined {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const members = names.flatMap((name): readonly [string, unknown][] => {
    const [old = null, now = null] = [before[name], after[name]];
    if (isDeepStrictEqual(old, now)) return [];
    if (!isObject(old) || !isObject(now)) return [[name, now]];
    const inner = patchBetween(old, now);
    return inner === undefined ? [] : [[name, inner]];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

/** What another manifest changes of the settings, such as `limits.mountSeconds (110 -> 60)`. */
export function changesBetween(before: string, after: string): readonly string[] {
  const [old, now] = [settingsIn(before), settingsIn(after)];
  return pathsOf(patchBetween(old, now) ?? {}).map((path) => {
    const values = [old, now].map((settings) => brief(valueAt(settings, path)));
    return values.includes('') ? path : `${path} (${values.join(' -> ')})`;
  });
}

function valueAt(settings: Json, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), settings);
}

const briefCharacters = 40;

/** '' for what is too long for a line. */
function brief(value: unknown): string {
  const text = value === undefined ? 'unset' : JSON.stringify(value);
  return text.length <= briefCharacters ? text : '';
}

/** A line that says what the node's own settings set of the manifest; none where they set nothing. */
export function describeOverrides(
  layout: Layout,
  host: Pick<Host, 'readText' | 'stat' | 'lstat'>,
  manifest: Manifest,
): readonly string[] {
  const own = readNodeSettings(host, layout);
  const paths = own === undefined ? [] : describeOwnSettings(own, manifest).paths;
  return paths.length === 0 ? [] : [`${layout.nodeSettings} is laid over the manifest: ${paths.join(', ')}`];
}
