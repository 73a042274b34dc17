import { readFile } from 'node:fs/promises';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';

/** A section of docs/changelog.md: what a version changed. */
export interface Changes {
  readonly version: string;
  /** Seconds since 1970, of the day in the section's heading: when everything in the release was made. */
  readonly epoch: number;
  /** Its own text, heading included. */
  readonly text: string;
}

/** @throws MounterError (usage) where the file has no section of this version. */
export async function readChanges(path: string, version: string): Promise<Changes> {
  return changesOf(await readFile(path, 'utf8'), version, path);
}

/**
 * A section begins with a line such as `## 0.1.0, 2026-11-29`, and ends at the next.
 * @throws MounterError (usage) as `readChanges`.
 */
export function changesOf(text: string, version: string, path: string): Changes {
  const section = text.split(/^(?=## )/m).find((one) => one.startsWith(`## ${version}, `));
  const [, day] = /^## \S+, (\d{4}-\d\d-\d\d)$/m.exec(section ?? '') ?? [];
  const epoch = Date.parse(day ?? '') / 1000;
  if (section === undefined || Number.isNaN(epoch))
    throw new MounterError(`has no section that begins with "## ${version}, YEAR-MONTH-DAY"`, {
      subject: path,
      status: exitCode.usage,
      hint: 'write what has changed there, or give package.json the version that is to be released',
    });
  return { version, epoch, text: `${section.trimEnd()}\n` };
}

/**
 * As Debian writes one; lines of at most 80 characters.
 * @see https://www.debian.org/doc/debian-policy/ch-source.html#debian-changelog-debian-changelog
 */
export function debianChangelog(name: string, maintainer: string, { version, epoch, text }: Changes): string {
  const items = text
    .slice(text.indexOf('\n') + 1)
    .split(/^- /m)
    .map((item) => item.trim().replaceAll(/\s+/g, ' '));
  const lines = items
    .filter((item) => item !== '')
    .map((item) => `  * ${item.replaceAll(/(.{1,74})(?: |$)/g, '$1\n    ').trimEnd()}\n`);
  const when = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n${lines.join('')}\n -- ${maintainer}  ${when}\n`;
}
