import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ExecaError, execa } from 'execa';
import pRetry from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { networkRetries } from './apt.ts';
import { sha256OfFile } from './deb-file.ts';
import { readAptSources, readCodename } from './sources.ts';

export interface PoolFile {
  /** In the archive, e.g. `pool/main/q/quickjs/quickjs_2025.04.26.orig.tar.xz`: one pool for all suites. */
  readonly path: string;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Fetches a file of Debian's archive by its name, with apt's own proxies and certificates. Nothing is
 * downloaded when it is there already.
 * @param file where it is to lie.
 * @throws MounterError (system) when no mirror of this machine has it, or another one of that name.
 */
export async function fetchPoolFile({ path, sha256 }: PoolFile, file: string): Promise<void> {
  if ((await sha256OfFile(file)) === sha256) return;
  await mkdir(dirname(file), { recursive: true });
  await rm(file, { force: true });
  const failures: string[] = [];
  for (const mirror of await mirrors()) {
    const argv = ['download-file', `${mirror}/${path}`, file, `SHA256:${sha256}`];
    try {
      await pRetry(() => execa('/usr/lib/apt/apt-helper', argv), networkRetries);
      return;
    } catch (error) {
      failures.push(String((error as ExecaError).stderr ?? error));
    }
  }
  throw new MounterError('could not be downloaded', {
    subject: path,
    status: exitCode.system,
    helperOutput: failures.join('\n'),
    hint: 'check the mirror in /etc/apt, and that it still has this version',
  });
}

/** Those of the machine's own suite; the security archive has a pool of its own. */
async function mirrors(): Promise<readonly string[]> {
  const codename = await readCodename();
  const main = (await readAptSources()).filter(({ suite }) => suite === codename || suite === 'stable');
  return [...new Set(main.map(({ uri }) => uri.replace(/\/+$/, '')))];
}
