import * as v from 'valibot';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import { filesystemKinds } from './filesystem-kinds.ts';
import { describeIssue, isUnknownName, type Manifest, manifestSchema, parseManifest } from './manifest.ts';
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
  checkNames(own, patch, manifest);
  const merged = mergePatch(withTodaysNames(JSON.parse(shipped.text)), patch);
  const result = v.safeParse(manifestSchema, merged, { abortEarly: true });
  if (result.success) return result.output;
  const { names, message } = describeIssue(result.issues[0]);
  throw badSetting(own, names, message);
}

/** Of the patch itself: once it is merged, a mistyped name whose value is null has gone, and what was meant is still there. */
function checkNames(own: TextFile, patch: Json, manifest: Manifest): void {
  const unknown = v.safeParse(manifestSchema, patch).issues?.find(isUnknownName);
  if (unknown !== undefined) {
    const { names, message } = describeIssue(unknown);
    throw badSetting(own, names, message);
  }
  const [mistyped] = strangeTypes(patch, manifest).filter(({ meant }) => meant !== undefined);
  if (mistyped === undefined) return;
  const { setting, type, meant } = mistyped;
  throw badSetting(own, setting, `there is no such type as ${JSON.stringify(type)}; did you mean ${meant}?`);
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
  /** Types that are taken away, or named in a rule, and that nobody has ever had; some older image perhaps. */
  readonly strangeTypes: readonly {
    /** Such as `filesystems.x` or `policy.sources.0.types`. */
    readonly setting: string;
    readonly type: string;
  }[];
}

/** @param own is valid. */
export function describeOwnSettings(own: TextFile, manifest: Pick<Manifest, 'filesystems'>): OwnSettings {
  const { $schema, formatVersion, ...settings } = parseNodeSettings(own);
  return {
    paths: pathsOf(settings),
    strangeTypes: strangeTypes(settings, manifest).map(({ setting, type }) => ({
      setting: setting.join('.'),
      type,
    })),
  };
}

interface StrangeType {
  readonly setting: readonly string[];
  readonly type: string;
  readonly meant: string | undefined;
}

/** Types of filesystems that are spoken of, and are neither known nor defined there. */
function strangeTypes(
  settings: Json,
  { filesystems }: Pick<Manifest, 'filesystems'>,
): readonly StrangeType[] {
  const own = isObject(settings.filesystems) ? settings.filesystems : {};
  const defined = Object.keys(own).filter(
    (type) => isObject(own[type]) && Object.hasOwn(own[type], 'helper'),
  );
  const known = [...Object.values(filesystemKinds).flat(), ...Object.keys(filesystems), ...defined];
  const { sources } = isObject(settings.policy) ? settings.policy : {};
  const ruled = (Array.isArray(sources) ? sources : []).flatMap((source, index) => {
    const types: readonly unknown[] = isObject(source) && Array.isArray(source.types) ? source.types : [];
    return types.map((type) => ({ setting: ['policy', 'sources', String(index), 'types'], type }));
  });
  return [...Object.keys(own).map((type) => ({ setting: ['filesystems', type], type })), ...ruled].flatMap(
    ({ setting, type }) =>
      typeof type !== 'string' || known.includes(type)
        ? []
        : [{ setting, type, meant: nearest(type, known) }],
  );
}
