import { type ExecaError, execa } from 'execa';
import pRetry, { AbortError } from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import type { ProgressLine } from '../../src/host/progress-line.ts';
import { withProgress } from '../progress.ts';
import { missingPackages, recordInstall } from './installed.ts';

/** Another apt on the machine holds its list lock for as long as it downloads; 5 min in all. */
const listLockRetries = { retries: 150, minTimeout: 2000, factor: 1 };

/**
 * Debian packages for this machine, installed if they are missing; says in one line what it installs.
 * Waits up to 5 min for another apt or dpkg.
 * @throws MounterError (system) that names the packages.
 */
export async function ensureInstalled(packages: readonly string[]): Promise<void> {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new MounterError('are missing, and only root can install them', {
      subject: missing.join(' '),
      status: exitCode.system,
      hint: `run this as root, or have apt-get install ${missing.join(' ')} run before`,
    });
  // stdout is for figures and digests.
  process.stderr.write(`… installing ${missing.join(' ')} with apt-get\n`);
  await recordInstall(missing);
  await withProgress('reading lists of packages', (line) => aptGet(['update'], missing, line));
  // What was downloaded is not wanted a second time.
  const options = ['-y', '--no-install-recommends', '-o', 'APT::Keep-Downloaded-Packages=false'];
  const install = ['install', ...options, ...missing];
  await withProgress('choosing packages', (line) => aptGet(install, missing, line));
}

async function aptGet(
  args: readonly string[],
  packages: readonly string[],
  line: ProgressLine,
): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  await pRetry(async () => {
    try {
      const words = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'APT::Status-Fd=3', ...args];
      const run = execa('apt-get', words, { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
      for await (const status of run.iterable({ from: 'fd3' })) tellStatus(status, line);
      await run;
    } catch (error) {
      throw installError(error as ExecaError, packages);
    }
  }, listLockRetries);
}

/** @param status such as `pmstatus:gcc:42.8571:Unpacking gcc (amd64)`. @see progress-reporting.md of apt */
function tellStatus(status: string, line: ProgressLine): void {
  const [, percent, text] = /^(?:dl|pm)status:[^:]*:([\d.]+):(.*)$/.exec(status) ?? [];
  if (text !== undefined) line.show(`${Math.floor(Number(percent))} %  ${text}`);
}

function installError(error: ExecaError, packages: readonly string[]): Error {
  const stderr = String(error.stderr ?? '');
  const message = /^E: (.*)$/m.exec(stderr)?.[1] ?? error.shortMessage;
  const failure = new MounterError(`could not be installed: ${message}`, {
    subject: packages.join(' '),
    status: exitCode.system,
    hint: `run apt-get install ${packages.join(' ')} by hand, as root`,
    cause: error,
  });
  return /Could not get lock|Unable to lock/.test(stderr) ? failure : new AbortError(failure);
}
