import { type ExecaError, execa } from 'execa';
import pRetry, { AbortError } from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
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
  await aptGet(['update'], missing);
  // What was downloaded is not wanted a second time.
  const options = ['-y', '--no-install-recommends', '-o', 'APT::Keep-Downloaded-Packages=false'];
  await aptGet(['install', ...options, ...missing], missing);
}

async function aptGet(args: readonly string[], packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  await pRetry(async () => {
    try {
      await execa('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], { env, stdin: 'ignore' });
    } catch (error) {
      throw installError(error as ExecaError, packages);
    }
  }, listLockRetries);
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
