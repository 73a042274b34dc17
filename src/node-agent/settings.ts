import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Manifest, parseManifest } from '../rootfs/manifest.ts';

/**
 * An operator's settings for all nodes: sections of rootfs-manifest.json that are laid over the image's own,
 * such as `{"enabled": false}` or `{"limits": {"mountSeconds": 60}}`. Objects are merged, all else replaced.
 */

/** What is the image's own: a setting would only make it wrong. */
const imageSections = ['$schema', 'formatVersion', 'rootfs'];

type Json = Readonly<Record<string, unknown>>;

/**
 * The manifest with `settings` in it; the very same text where there are none.
 * @param subject where the settings are from, for messages.
 * @throws MounterError (system) that names the field.
 */
export function applySettings(
  manifestText: string,
  settings: string,
  subject: string,
): { readonly text: string; readonly manifest: Manifest } {
  const wanted = parseSettings(settings, subject);
  const wrong = imageSections.find((name) => Object.hasOwn(wanted, name));
  if (wrong !== undefined) throw settingsError(subject, `${wrong}: is the image's own`);
  const text =
    Object.keys(wanted).length === 0
      ? manifestText
      : `${JSON.stringify(merge(JSON.parse(manifestText), wanted), undefined, 2)}\n`;
  return { text, manifest: parseManifest(text, subject) };
}

function parseSettings(text: string, subject: string): Json {
  let json: unknown;
  try {
    json = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw settingsError(subject, `not valid JSON: ${(error as Error).message}`);
  }
  if (isObject(json)) return json;
  throw settingsError(subject, 'is no JSON object');
}

function merge(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const names = [...new Set([...Object.keys(below), ...Object.keys(above)])];
  return Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(above, name) ? merge(below[name], above[name]) : below[name]]),
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function settingsError(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.system,
    hint: 'mend settings.json in the ConfigMap; mounter help node-agent shows an example',
  });
}
