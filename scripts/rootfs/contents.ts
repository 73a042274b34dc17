import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import type { DebFile } from '../debian.ts';
import { completeTree, type Entry, textFile } from './entry.ts';
import type { OneManifest } from './pins.ts';

const contentsPath = 'usr/share/containerized-mounter/contents.json';

/** A helper or daemon of the manifest as the rootfs has it. */
interface Program {
  readonly path: string;
  /** Where `path` leads to inside the rootfs. */
  readonly resolved: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** contents.json: what a rootfs is made of. Sizes and counts leave this file itself out. */
export interface Contents {
  readonly name: string;
  readonly suite: string;
  readonly architecture: string;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  /** By the names they have in the manifest. */
  readonly helpers: Readonly<Record<string, Program>>;
  readonly daemons: Readonly<Record<string, Program>>;
  /** Sum of the sizes of the files. */
  readonly unpackedBytes: number;
  readonly entries: number;
}

/** @throws MounterError that names the field of the manifest whose program is not there. */
export function describeContents(
  manifest: OneManifest,
  packages: readonly DebFile[],
  entries: readonly Entry[],
): Contents {
  const { name, suite, architecture } = manifest.rootfs;
  const helpers = Object.entries(manifest.filesystems).map(
    ([fstype, { helper }]) => [fstype, helper] as const,
  );
  const daemons = Object.entries(manifest.daemons).flatMap(([daemon, program]) =>
    program === undefined ? [] : [[daemon, typeof program === 'string' ? program : program.path] as const],
  );
  return {
    name,
    suite,
    architecture,
    packages: packages.map((deb) => ({ name: deb.name, version: deb.version })),
    helpers: programs(helpers, 'filesystems', entries),
    daemons: programs(daemons, 'daemons', entries),
    unpackedBytes: entries.reduce(
      (sum, entry) => sum + (entry.kind === 'file' ? entry.content.length : 0),
      0,
    ),
    entries: entries.length,
  };
}

/** `entries` with contents.json among them. */
export function withContents(entries: readonly Entry[], contents: Contents): readonly Entry[] {
  return completeTree([...entries, textFile(contentsPath, formatContents(contents))]);
}

export function formatContents(contents: Contents): string {
  return `${JSON.stringify(contents, null, 2)}\n`;
}

function programs(
  paths: readonly (readonly [string, string])[],
  field: string,
  entries: readonly Entry[],
): Record<string, Program> {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  return Object.fromEntries(paths.map(([name, path]) => [name, program(path, `${field}.${name}`, byPath)]));
}

function program(path: string, field: string, byPath: ReadonlyMap<string, Entry>): Program {
  const resolved = resolvePath(path.slice(1), byPath);
  const entry = byPath.get(resolved);
  if (entry?.kind === 'file' && (entry.mode & 0o111) !== 0) {
    const sha256 = createHash('sha256').update(entry.content).digest('hex');
    return { path, resolved: `/${resolved}`, sha256, size: entry.content.length };
  }
  throw new MounterError(
    `${field}: ${path} is ${entry === undefined ? 'not in the rootfs' : 'not executable'}`,
    {
      subject: 'rootfs-manifest.json',
      status: exitCode.system,
      hint: 'add it to rootfs.files, and its package to rootfs.include',
    },
  );
}

/** Where `path` leads to by the links among `byPath`; a loop ends after as many links as Linux follows. */
export function resolvePath(path: string, byPath: ReadonlyMap<string, Entry>, links = 0): string {
  const names = path.split('/');
  for (let i = 1; i <= names.length; i++) {
    const entry = byPath.get(names.slice(0, i).join('/'));
    if (entry?.kind !== 'link' || links > 40) continue;
    const target = posix.resolve('/', posix.dirname(entry.path), entry.target);
    return resolvePath(posix.join(target, ...names.slice(i)).slice(1), byPath, links + 1);
  }
  return path;
}
