import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';

/** Names of Debian packages, a line each: those that were missing here, and that the scripts have installed. */
export const recordOfInstalled = resolve(import.meta.dirname, '../../.cache/installed-packages');

/** Notes that they are about to be installed: an install that is killed may have done a part of it. */
export async function recordInstall(packages: readonly string[]): Promise<void> {
  await mkdir(dirname(recordOfInstalled), { recursive: true });
  await appendFile(recordOfInstalled, packages.map((name) => `${name}\n`).join(''));
}

/** Those that the scripts have installed, and that are there still. */
export async function stillInstalled(): Promise<readonly string[]> {
  const text = await readFile(recordOfInstalled, 'utf8').catch(() => '');
  const names = [...new Set(text.split('\n'))].filter((name) => name !== '').sort();
  const missing = await missingPackages(names);
  return names.filter((name) => !missing.includes(name));
}

/** Those of `packages` that dpkg does not have installed, in the order given. @throws MounterError where there is no dpkg. */
export async function missingPackages(packages: readonly string[]): Promise<readonly string[]> {
  if (packages.length === 0) return [];
  // Exit status 1 only says that a package is unknown to dpkg.
  const args = ['-W', '-f', '$' + '{Package} $' + '{db:Status-Status}\n', ...packages];
  const { stdout, exitCode: status } = await execa('dpkg-query', args, { reject: false });
  if (status === undefined) {
    throw new MounterError('there is no dpkg on this machine', {
      subject: packages.join(' '),
      status: exitCode.system,
      hint: 'run this on Debian, or install these tools yourself',
    });
  }
  const installed = new Set(stdout.split('\n').flatMap((line) => /^(\S+) installed$/.exec(line)?.[1] ?? []));
  return packages.filter((name) => !installed.has(name));
}
