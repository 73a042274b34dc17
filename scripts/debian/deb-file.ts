import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** A Debian package as it lies on this machine. */
export interface DebFile {
  readonly name: string;
  readonly version: string;
  /** `all`, or the machine's own such as `amd64`. */
  readonly architecture: string;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** Absolute. */
  readonly path: string;
}

/** A package as an archive offers it. */
export interface ArchivePackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly sha256: string;
  /** `NAME_VERSION_ARCHITECTURE.deb`, as apt names the file: the colon of an epoch is `%3a`. */
  readonly fileName: string;
}

/** The records of `apt-cache show`, in its order: for each package the newest version first. */
export function parsePackageRecords(text: string): readonly ArchivePackage[] {
  return text.split(/\n\n+/).flatMap((record) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(record)?.[1] ?? '';
    const [name, version, architecture] = [field('Package'), field('Version'), field('Architecture')];
    if (name === '') return [];
    const fileName = `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`;
    return [{ name, version, architecture, sha256: field('SHA256'), fileName }];
  });
}

/** sha256 of a file in 64 hexadecimal digits; undefined where there is none. */
export async function sha256OfFile(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}
