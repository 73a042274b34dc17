import { createReadStream } from 'node:fs';
import { text } from 'node:stream/consumers';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { effectiveManifest } from '../manifest/node-settings.ts';
import { shippedText } from '../manifest/shipped.ts';
import { longestText } from '../manifest/strict-json.ts';
import { checkSettings } from '../node-agent/settings.ts';

/**
 * @throws MounterError (usage) for what a node would refuse, in the same words: laid over the manifest that we ship.
 * And for an empty file: what was to write it may have failed, and it would take all settings back.
 */
export async function readSettings(file: string): Promise<string> {
  const subject = `--settings ${file}`;
  const written = await settingsIn(file);
  const { wanted: settings } = checkSettings(shippedText, written, subject, exitCode.usage);
  return JSON.stringify(settings, undefined, 2);
}

/**
 * What a machine's own settings are to be: it is root's to write, and may name all that a manifest may.
 * @throws MounterError for what a machine would refuse.
 */
export async function readNodeSettingsFile(file: string): Promise<string> {
  const own = { path: `--settings ${file}`, text: await settingsIn(file) };
  try {
    effectiveManifest({ path: 'the manifest', text: shippedText }, own);
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    throw new MounterError(error.message, { ...error, status: exitCode.usage, errorClass: 'usage' });
  }
  return own.text;
}

async function settingsIn(file: string): Promise<string> {
  const written = await textOf(file);
  if (written.trim() === '') throw bad(`${file} is empty`, 'write {} for no settings');
  return written;
}

/** No more of it than settings may have, and one byte: it may be /dev/zero. */
async function textOf(file: string): Promise<string> {
  try {
    return await text(createReadStream(file, { end: longestText }));
  } catch (error) {
    throw bad(
      `cannot be read: ${(error as Error).message}`,
      'name a file with JSON in it, such as {"limits": {"mountSeconds": 60}}',
    );
  }
}

function bad(message: string, hint: string): MounterError {
  return new MounterError(message, { subject: '--settings', status: exitCode.usage, hint });
}
