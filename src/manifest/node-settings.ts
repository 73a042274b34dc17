import * as v from 'valibot';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import { filesystemKinds } from './filesystem-kinds.ts';
import { describeIssue, type Manifest, manifestSchema, parseManifest } from './manifest.ts';
import { mergePatch, pathsOf } from './merge-patch.ts';
import { type ImageRule, policy } from './policy.ts';
import { isObject, withTodaysNames } from './renamed.ts';
import { lineOf, parseStrictly } from './strict-json.ts';

/**
 * node-settings.json, the node's own: a JSON merge patch (RFC 7386) over the manifest that its rootfs was installed with,
 * such as `{"limits": {"mountSeconds": 60}, "filesystems": {"nfs": null}}`. No install and no roll back takes anything out
 * of it.
 */

/** A file that was read. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * What the node goes by.
 * @param own its own settings; undefined where it has none.
 * @throws MounterError (system) that names the file and the field; of its own settings the line, too.
 */
export function effectiveManifest(shipped: TextFile, own: TextFile | undefined): Manifest {
  const manifest = parseManifest(shipped.text, shipped.path);
  if (own === undefined) return manifest;
  const patch = parseNodeSettings(own);
  const merged = mergePatch(withTodaysNames(JSON.parse(shipped.text)), patch);
  const result = v.safeParse(manifestSchema, merged, { abortEarly: true });
  if (result.success) return result.output;
  const { names, message } = describeIssue(result.issues[0]);
  throw badSetting(own, names, message);
}

/** @throws MounterError (system) for what is no JSON object, and for what no node may set. */
export function parseNodeSettings(own: TextFile): Json {
  let json: unknown;
  try {
    json = withTodaysNames(parseStrictly(own.text));
  } catch (error) {
    throw bad(own, own.text.trim() === '' ? 'is empty' : (error as Error).message);
  }
  if (!isObject(json)) throw bad(own, 'is no JSON object');
  if (Object.hasOwn(json, 'rootfs')) throw badSetting(own, ['rootfs'], "is the image's own, and no setting");
  return json;
}

function bad({ path }: TextFile, message: string): MounterError {
  return new MounterError(message, {
    subject: path,
    status: exitCode.system,
    hint: 'mend it, or write {} to it, which sets nothing',
  });
}

function badSetting({ path, text }: TextFile, names: readonly string[], message: string): MounterError {
  return new MounterError(`line ${lineOf(text, names)}: ${names.join('.')}: ${message}`, {
    subject: path,
    status: exitCode.system,
    hint: 'mend this setting, or take it out',
  });
}

const imagesOnly = v.object({ policy: v.optional(v.pick(policy, ['images']), {}) });

/**
 * Which images have to be signed, by a manifest with the node's own settings over it; by these alone where there is none.
 * @throws MounterError (system) as `effectiveManifest` does.
 */
export function imageRules(shipped: TextFile | undefined, own: TextFile | undefined): readonly ImageRule[] {
  if (shipped !== undefined) return effectiveManifest(shipped, own).policy.images ?? [];
  if (own === undefined) return [];
  const { policy: wanted } = mergePatch({}, parseNodeSettings(own)) as Json;
  const asked = isObject(wanted) ? { images: wanted.images } : {};
  const result = v.safeParse(imagesOnly, { policy: asked }, { abortEarly: true });
  if (result.success) return result.output.policy.images ?? [];
  const { names, message } = describeIssue(result.issues[0]);
  throw badSetting(own, names, message);
}

/** What the settings of a node say, for whoever looks at it. */
export interface OwnSettings {
  /** The paths that are set. */
  readonly paths: readonly string[];
  /** Types that are taken away, or named in a rule, and that nobody has ever had: another is meant perhaps. */
  readonly strangeTypes: readonly {
    /** Such as `filesystems` or `policy.sources.0.types`. */
    readonly setting: string;
    readonly type: string;
    readonly meant: string | undefined;
  }[];
}

/** @param own is valid. */
export function describeOwnSettings(
  own: TextFile,
  { filesystems }: Pick<Manifest, 'filesystems'>,
): OwnSettings {
  const { $schema, formatVersion, ...settings } = parseNodeSettings(own);
  const known: readonly string[] = [...Object.values(filesystemKinds).flat(), ...Object.keys(filesystems)];
  const taken = Object.entries(settings.filesystems ?? {}).flatMap(([type, value]) =>
    value === null ? [{ setting: 'filesystems', type }] : [],
  );
  const { sources } = isObject(settings.policy) ? (settings.policy as Partial<Manifest['policy']>) : {};
  const ruled = (sources ?? []).flatMap(({ types = [] }, index) =>
    types.map((type) => ({ setting: `policy.sources.${index}.types`, type })),
  );
  return {
    paths: pathsOf(settings),
    strangeTypes: [...taken, ...ruled]
      .filter(({ type }) => !known.includes(type))
      .map(({ setting, type }) => ({ setting, type, meant: nearest(type, known) })),
  };
}
