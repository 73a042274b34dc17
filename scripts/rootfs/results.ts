import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Pin } from '../debian.ts';
import { writeWhole } from '../scratch.ts';
import { compress, digestOf, publishedLevel } from './archive.ts';
import type { BuiltRootfs } from './build.ts';
import { formatContents } from './contents.ts';
import { replaceRootfs } from './manifest-text.ts';
import type { OneManifest, OneRootfs } from './pins.ts';
import { workspace } from './workspace.ts';

const sources = ['scripts/rootfs.ts', 'scripts/rootfs/*.ts', 'scripts/debian/*.ts', 'package-lock.json'];

/** What an earlier build left in a directory, so that the same need not be built again. */
export interface BuildRecord {
  /** Of everything that was asked for; see `buildKey`. */
  readonly key: string;
  readonly digest: string;
  /** What was used; with --allow-newer not always what was asked for. */
  readonly packages: readonly Pin[];
  /** Digests of the files written, by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** Changes with the manifest's `rootfs`, pins included, with its programs, and with the code of the build. */
export async function buildKey(manifest: OneManifest): Promise<string> {
  const hash = createHash('sha256');
  const { digest: _digest, image: _image, ...rootfs } = manifest.rootfs;
  const { filesystems, daemons } = manifest;
  hash.update(JSON.stringify({ rootfs, filesystems, daemons }));
  const paths = globSync(sources, { cwd: workspace.repository });
  for (const path of paths.sort()) hash.update(await readFile(join(workspace.repository, path)));
  return hash.digest('hex');
}

/** Writes the tar and contents.json into `output`, and a record of them for the next build. */
export async function writeResults(built: BuiltRootfs, output: string, key: string): Promise<BuildRecord> {
  await mkdir(output, { recursive: true });
  const files = {
    'rootfs.tar.zst': await compress(built.tar, publishedLevel),
    'rootfs-contents.json': Buffer.from(formatContents(built.contents)),
  };
  for (const [name, content] of Object.entries(files)) await writeWhole(join(output, name), content);
  const digests = Object.entries(files).map(([name, content]) => [name, digestOf(content)]);
  const { digest, packages } = built;
  const record: BuildRecord = { key, digest, packages, files: Object.fromEntries(digests) };
  await writeWhole(recordPath(output), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

/** The manifest for the node: the repository's, with the digest and the versions of this very build. */
export async function writeNodeManifest(
  text: string,
  rootfs: OneRootfs,
  record: BuildRecord,
  output: string,
): Promise<void> {
  const { digest, packages } = record;
  const built = { ...rootfs, packages: [...packages], digest };
  await writeWhole(join(output, 'rootfs-manifest.json'), replaceRootfs(text, built));
}

/** The record of the last build into `output`, if its files are still there unchanged. */
export async function readRecord(output: string): Promise<BuildRecord | undefined> {
  const text = await readFile(recordPath(output), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as BuildRecord;
  for (const [name, digest] of Object.entries(record.files)) {
    const content = await readFile(join(output, name)).catch(() => undefined);
    if (content === undefined || digestOf(content) !== digest) return undefined;
  }
  return record;
}

function recordPath(output: string): string {
  const name = createHash('sha256').update(resolve(output)).digest('hex').slice(0, 16);
  return join(workspace.builds, `built-${name}.json`);
}
