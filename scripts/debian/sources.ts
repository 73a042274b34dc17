import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';

/** One archive of the machine's own apt configuration, as `apt-get indextargets` tells it. */
export interface AptSource {
  readonly uri: string;
  /** As in a `deb` line: `bookworm`, `bookworm-security`, `stable/updates`. */
  readonly suite: string;
  /** Options of a `deb` line, e.g. `signed-by=/usr/share/keyrings/debian-archive-keyring.gpg`. */
  readonly options: readonly string[];
}

const rollingSuites = ['stable', 'oldstable', 'oldoldstable', 'testing', 'unstable', 'sid'];
const pocketPattern = /^([a-z]+)((?:-updates|-security|\/updates)?)$/;

/**
 * `deb` lines for `suite` on the mirrors this machine already uses. Sources other than Debian's own
 * archives (another suite name or component) are left out.
 * @param codename the machine's own suite, VERSION_CODENAME of os-release(5).
 */
export function debLines(sources: readonly AptSource[], codename: string, suite: string): readonly string[] {
  const lines = sources.flatMap((source) => {
    const [, base, pocket] = pocketPattern.exec(source.suite) ?? [];
    if (base === undefined || (base !== codename && !rollingSuites.includes(base))) return [];
    // sid has neither updates nor security archives.
    if (suite === 'sid' && pocket !== '') return [];
    const options = source.options.length === 0 ? '' : `[${source.options.join(' ')}] `;
    return [`deb ${options}${source.uri} ${suite}${pocket} main`];
  });
  return [...new Set(lines)].sort();
}

/**
 * Where Debian's mirrors have the security archive of `suite`, for a machine that is configured without: beside the main
 * one, under the same key.
 * @returns `deb` lines; none where `lines` have one, and for a suite that has none.
 */
export function securityLines(lines: readonly string[], suite: string): readonly string[] {
  if (suite === 'sid' || lines.some((line) => line.includes(` ${suite}-security `))) return [];
  const main = lines.filter((line) => line.endsWith(` ${suite} main`) && /\/debian\/? /.test(line));
  return main.map((line) =>
    line.replace(/\/debian(\/?) \S+ main$/, `/debian-security$1 ${suite}-security main`),
  );
}

/** The archives this machine's apt is configured with, component `main` only; nothing is downloaded. */
export async function readAptSources(): Promise<readonly AptSource[]> {
  const format = '$(REPO_URI)|$(RELEASE)|$(SOURCESENTRY)';
  const filters = ['Created-By: Packages', 'Component: main'];
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--no-release-info',
    '--format',
    format,
    ...filters,
  ]);
  const rows = [...new Set(stdout.split('\n').filter((line) => line !== ''))];
  const sources = await Promise.all(rows.map(readSource));
  if (sources.length > 0) return sources;
  throw new MounterError('apt knows no Debian archive', {
    status: exitCode.system,
    subject: '/etc/apt',
    hint: 'add a source for this Debian release to /etc/apt/sources.list.d',
  });
}

async function readSource(row: string): Promise<AptSource> {
  const [uri = '', suite = '', entry = ''] = row.split('|');
  const [, file = '', number = '0'] = /^(.*):(\d+)$/.exec(entry) ?? [];
  const text = file === '' ? '' : await readFile(file, 'utf8');
  return { uri, suite, options: sourceOptions(text, file, Number(number)) };
}

/**
 * What decides whether apt trusts the `number`th entry of a sources file: `signed-by=` and `trusted=`.
 * Counted from 1: a line of a .list file, a stanza of a .sources file (sources.list(5)).
 */
export function sourceOptions(text: string, file: string, number: number): readonly string[] {
  return file.endsWith('.sources') ? stanzaOptions(text, number) : listOptions(text, number);
}

function stanzaOptions(text: string, number: number): readonly string[] {
  const stanzas = text.replace(/^#.*\n/gm, '').split(/\n\s*\n/);
  const stanza = stanzas.filter((s) => s.trim() !== '')[number - 1] ?? '';
  return ['Signed-By', 'Trusted'].flatMap((field) => {
    const value = new RegExp(`^${field}:[ \t]*(\\S+)[ \t]*$`, 'im').exec(stanza)?.[1];
    // A key written into the stanza itself starts on the next line; apt's trusted keys are used then.
    return value === undefined ? [] : [`${field.toLowerCase()}=${value}`];
  });
}

function listOptions(text: string, number: number): readonly string[] {
  const line = text.split('\n')[number - 1] ?? '';
  const options = /^\s*deb\s+\[([^\]]*)\]/.exec(line)?.[1] ?? '';
  return options.split(/\s+/).filter((option) => /^(signed-by|trusted)=/.test(option));
}

/** VERSION_CODENAME of os-release(5), e.g. `bookworm`. */
export async function readCodename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
  if (codename !== undefined) return codename;
  throw new MounterError('names no Debian release', {
    status: exitCode.system,
    subject: '/etc/os-release',
    hint: 'run this on Debian 12 or later',
  });
}
