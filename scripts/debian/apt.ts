import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ExecaError, execa } from 'execa';
import pRetry from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { hintOf } from '../../src/host/system-error.ts';
import { withProgress } from '../progress.ts';
import { debLines, readAptSources, readCodename, securityLines } from './sources.ts';

const cacheDirectory = resolve(import.meta.dirname, '../../.cache/apt');

/** Two more tries, since mirrors do answer 5xx and break off; a name that is not there never comes back. */
export const networkRetries = {
  retries: 2,
  minTimeout: 1000,
  factor: 2,
  shouldRetry: ({ error }: { readonly error: Error }) => !permanentFailure.test(error.message),
};
const permanentFailure = /Unable to locate|was not found|unmet|held broken|sha256|archive keys/;

/**
 * An apt of its own: own package lists, and a dpkg status that says nothing is installed, so that what it
 * resolves does not depend on the machine. Only the mirrors, their keys and proxies are the machine's.
 */
export interface PrivateApt {
  readonly suite: string;
  readonly architecture: string;
  /** Whether it knows a security archive, or there is none: what it resolves may lack its updates otherwise. */
  readonly hasSecurity: boolean;
  /** @throws MounterError with apt's own last error line. */
  run(
    program: 'apt-get' | 'apt-cache',
    args: readonly string[],
    options?: { readonly cwd?: string },
  ): Promise<string>;
}

/**
 * A private apt for `suite` with fresh package lists (one download of about 3 s, then If-Modified-Since).
 * @param mayBeOld also by lists whose time is over, as a mirror's copy of testing has them that is a week behind.
 */
export async function openPrivateApt(
  suite: string,
  architecture: string,
  mayBeOld = false,
): Promise<PrivateApt> {
  const state = join(cacheDirectory, `${suite}-${architecture}`);
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(state, 'archives/partial'), { recursive: true });
  await writeAtomically(join(state, 'status'), '');
  const lines = debLines(await readAptSources(), await readCodename(), suite);
  await writeAtomically(join(state, 'apt.conf'), aptConfiguration(state, architecture, mayBeOld));
  const run: PrivateApt['run'] = (program, args, options) =>
    runLocked(state, program, args, options?.cwd ?? state);
  const update = async (sources: readonly string[]) => {
    await writeAtomically(join(state, 'sources.list'), `${sources.join('\n')}\n`);
    const fetch = () => pRetry(() => run('apt-get', ['update', '--error-on=any']), networkRetries);
    await withProgress(`fetching package lists of ${suite} for ${architecture}, usually 5 s`, fetch);
    return suite === 'sid' || sources.some((line) => line.includes(` ${suite}-security `));
  };
  const security = securityLines(lines, suite);
  // What is pinned comes from there too. A mirror that has none is no error: what is missing will be named.
  const hasSecurity = await update([...lines, ...security]).catch((error: unknown) => {
    if (security.length === 0) throw error;
    return update(lines);
  });
  return { suite, architecture, hasSecurity, run };
}

/** The architecture of this machine in Debian's words, e.g. `amd64`. */
export async function nativeArchitecture(): Promise<string> {
  return (await execa('dpkg', ['--print-architecture'])).stdout;
}

/** Read by `-c` after the machine's own configuration, and so able to take its hooks out. */
function aptConfiguration(state: string, architecture: string, mayBeOld: boolean): string {
  const settings: Record<string, string> = {
    'Dir::State': state,
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': state,
    'Dir::Cache::archives': join(state, 'archives'),
    // One of its caches, of 40 MB, saves seconds a call; images for containers have none. The other one is as large.
    'Dir::Cache::pkgcache': 'pkgcache.bin',
    'Dir::Cache::srcpkgcache': '',
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Install-Recommends': 'false',
    // The cache may lie where the user _apt has no way in.
    'APT::Sandbox::User': 'root',
    'Acquire::ForceHash': 'sha256',
    'Acquire::GzipIndexes': 'true',
    'Acquire::Languages': 'none',
    ...(mayBeOld ? { 'Acquire::Check-Valid-Until': 'false' } : {}),
  };
  const clears = [
    'APT::Architectures',
    'APT::Update::Pre-Invoke',
    'APT::Update::Post-Invoke',
    'APT::Update::Post-Invoke-Success',
    'Acquire::IndexTargets',
  ];
  const packages = 'Acquire::IndexTargets::deb::Packages';
  return [
    ...clears.map((name) => `#clear ${name};`),
    ...Object.entries(settings).map(([name, value]) => `${name} "${value}";`),
    // What apt's own default says; translations and AppStream data, gone with the #clear, are never read here.
    `${packages}::MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";`,
    `${packages}::flatMetaKey "Packages";`,
    `${packages}::ShortDescription "Packages";`,
    `${packages}::Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";`,
    `${packages}::flatDescription "$(RELEASE) Packages";`,
    `${packages}::Optional "0";`,
    '',
  ].join('\n');
}

async function runLocked(
  state: string,
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const argv = [join(state, 'lock'), program, '-c', join(state, 'apt.conf'), ...args];
  try {
    // Two builds at once share the lists; apt's own lock fails at once instead of waiting.
    const { stdout } = await execa('flock', argv, { cwd, env: { LC_ALL: 'C' } });
    return stdout;
  } catch (error) {
    throw aptError(error as ExecaError, program, args);
  }
}

function aptError(error: ExecaError, program: string, args: readonly string[]): MounterError {
  const lines = String(error.stderr ?? '').split('\n');
  const message = lines.find((line) => line.startsWith('E: '))?.slice(3) ?? error.shortMessage;
  const [key] = missingKeys(String(error.stderr ?? ''));
  if (key !== undefined) return noKey(key, message, error);
  return new MounterError(message, {
    subject: `${program} ${args[0] ?? ''}`,
    status: exitCode.system,
    hint: hintFor(message),
    cause: error,
  });
}

function hintFor(message: string): string | undefined {
  if (message.includes('No space left on device')) return hintOf('ENOSPC');
  // As apt 2 and 3 say it of a Release file.
  if (/ is (?:expired|not valid yet) /.test(message))
    return 'see whether the clock of this machine is right; if it is, the mirror has an old copy: name another in /etc/apt';
  return 'check the names, and that the sources in /etc/apt can be reached';
}

/** As gpgv and, from Debian 13 on, sqv tell it. */
export function missingKeys(text: string): readonly string[] {
  return [...text.matchAll(/(?:NO_PUBKEY|Missing key) ([0-9A-F]{16,40})\b/g)].map(([, key = '']) => key);
}

/** A suite that is newer than the keyring of this machine. */
function noKey(key: string, message: string, cause: Error): MounterError {
  return new MounterError(`the archive keys of this machine lack ${key}: ${message}`, {
    subject: 'apt-get update',
    status: exitCode.system,
    hint: 'apt-get update, then apt-get install debian-archive-keyring: of Debian 12 its version 2023.3+deb12u2 has those of Debian 13; or name a keyring that has them with Signed-By in /etc/apt',
    cause,
  });
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}
