import { closeSync, openSync, readSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { shippedText } from '../manifest/shipped.ts';
import { checkSettings } from '../node-agent/settings.ts';
import { longestText } from '../node-agent/strict-json.ts';

/**
 * @throws MounterError (usage) for what a node would refuse, in the same words: laid over the manifest that we ship.
 * And for an empty file: what was to write it may have failed, and it would take all settings back.
 */
export function readSettings(file: string): string {
  const subject = `--settings ${file}`;
  const text = readSettingsFile(file);
  if (text.trim() === '') throw bad(`${file} is empty`, 'write {} to take all settings back');
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
    throw bad(
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

function bad(message: string, hint: string): MounterError {
  return new MounterError(message, { subject: '--settings', status: exitCode.usage, hint });
}
