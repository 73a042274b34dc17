import { type ExecaError, execa } from 'execa';
import pRetry, { AbortError } from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';

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
  process.stdout.write(`installing ${missing.join(' ')} with apt-get\n`);
  await aptGet(['update'], missing);
  await aptGet(['install', '-y', '--no-install-recommends', ...missing], missing);
}

/** Those of `packages` that dpkg does not have installed, in the order given. */
async function missingPackages(packages: readonly string[]): Promise<readonly string[]> {
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
