import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureInstalled } from '../../../scripts/debian.ts';

/** A package as an index names it, by its version alone: none can be downloaded. */
export type Offered = Readonly<Record<string, string>>;

const architectures = ['amd64', 'arm64'];

/** An archive in a directory, with indexes that are signed, and a machine whose apt knows no other. */
export class SignedArchive {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(directory: string): Promise<SignedArchive> {
    // The old one has no agent, for whom sockets would wait in every session of this machine.
    await ensureInstalled(['gnupg1']);
    const archive = new SignedArchive(directory);
    for (const name of ['signer', 'other']) {
      await mkdir(join(directory, name), { mode: 0o700 });
      const key = join(directory, `${name}.key`);
      await writeFile(key, `Key-Type: RSA\nKey-Length: 2048\nName-Real: ${name}\nExpire-Date: 0\n`);
      await archive.#gpg(name, '--gen-key', key);
      await archive.#gpg(name, '--output', join(directory, `${name}.gpg`), '--export');
    }
    return archive;
  }

  /**
   * @param suite of `debian`, or of `debian-security`, by its name.
   * @param until when its time is over; never if left out.
   */
  async offer(suite: string, packages: Offered, until?: Date): Promise<void> {
    const [pool, ...path] = [suite.endsWith('-security') ? 'debian-security' : 'debian', 'dists', suite];
    const directory = join(this.#directory, pool, ...path);
    await rm(directory, { recursive: true, force: true });
    const sums: string[] = [];
    for (const architecture of architectures) {
      const index = `main/binary-${architecture}/Packages`;
      const text = Object.entries(packages)
        .map(([name, version]) => record(name, version, architecture))
        .join('\n');
      await mkdir(join(directory, index, '..'), { recursive: true });
      await writeFile(join(directory, index), text);
      sums.push(` ${createHash('sha256').update(text).digest('hex')} ${Buffer.byteLength(text)} ${index}`);
    }
    const head = `Suite: ${suite}\nCodename: ${suite}\nDate: ${new Date().toUTCString()}\nArchitectures: ${architectures.join(' ')}\nComponents: main\n`;
    const limit = until === undefined ? '' : `Valid-Until: ${until.toUTCString()}\n`;
    await writeFile(join(directory, 'Release'), `${head}${limit}SHA256:\n${sums.join('\n')}\n`);
    const signed = ['--output', join(directory, 'InRelease'), '--clearsign', join(directory, 'Release')];
    await this.#gpg('signer', ...signed);
    await rm(join(directory, 'Release'));
  }

  /** @returns the environment of a machine that has these sources, and trusts the key. */
  async machine(
    pools: readonly string[],
    key: 'signer' | 'other' = 'signer',
  ): Promise<Record<string, string>> {
    const sources = pools.map((pool) => {
      const suite = pool === 'debian' ? 'stable' : 'stable-security';
      return `deb [signed-by=${join(this.#directory, `${key}.gpg`)}] file:${join(this.#directory, pool)} ${suite} main\n`;
    });
    await writeFile(join(this.#directory, 'sources.list'), sources.join(''));
    const settings = [
      `Dir::Etc::sourcelist "${join(this.#directory, 'sources.list')}";`,
      'Dir::Etc::sourceparts "/dev/null";',
      // A machine that lives on a copy does not ask how old a list is.
      'Dir::Etc::parts "/dev/null";',
    ];
    await writeFile(join(this.#directory, 'apt.conf'), settings.join('\n'));
    return { APT_CONFIG: join(this.#directory, 'apt.conf') };
  }

  async #gpg(home: string, ...argv: readonly string[]): Promise<void> {
    const sha256 = ['--digest-algo', 'SHA256', '--cert-digest-algo', 'SHA256'];
    await execa('gpg1', ['--homedir', join(this.#directory, home), '--batch', '--yes', ...sha256, ...argv]);
  }
}

function record(name: string, version: string, architecture: string): string {
  const file = `pool/${name}_${version.replace(':', '%3a')}_${architecture}.deb`;
  const sha256 = createHash('sha256').update(file).digest('hex');
  return `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nMaintainer: none\nFilename: ${file}\nSize: 1\nSHA256: ${sha256}\nDescription: none\n`;
}
