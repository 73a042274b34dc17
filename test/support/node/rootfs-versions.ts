import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';
import { extract, type Pack, pack } from 'tar-stream';
import { distDirectory } from '../../../scripts/paths.ts';
import { mounterHome, type ScratchNode, shared } from './namespace.ts';

/** The built rootfs, and others made from it, for a node to install. */

/** Uncompressed. */
export const rootfsBytes = zstdDecompressSync(readFileSync(join(distDirectory, 'rootfs.tar.zst')));
export const manifestText = readFileSync(join(distDirectory, 'rootfs-manifest.json'), 'utf8');

/** Of its GlusterFS, such as `11.1`: where its translators lie. */
export const glusterfsVersion: string =
  /"name": "glusterfs-common", "version": "([\d.]+)/.exec(manifestText)?.[1] ?? '';

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The rootfs's tar without the entry `omitted`, and with what `add` puts in. */
export async function changedTar(omitted: RegExp, add: (archive: Pack) => void): Promise<Buffer> {
  const archive = pack();
  const bytes = buffer(archive);
  for await (const entry of Readable.from([rootfsBytes]).pipe(extract())) {
    const content = await buffer(entry as unknown as Readable);
    if (!omitted.test(entry.header.name)) archive.entry(entry.header, content);
  }
  add(archive);
  archive.finalize();
  return bytes;
}

/** The rootfs's tar with another content of one of its files; without it where `change` gives none. */
export async function tarWithFile(
  name: string,
  change: (content: Buffer) => Buffer | undefined,
): Promise<Buffer> {
  const archive = pack();
  const bytes = buffer(archive);
  let isFound = false;
  for await (const entry of Readable.from([rootfsBytes]).pipe(extract())) {
    const content = await buffer(entry as unknown as Readable);
    const isChosen = entry.header.name === name;
    const changed = isChosen ? change(content) : content;
    isFound ||= isChosen;
    if (changed !== undefined) archive.entry({ ...entry.header, size: changed.length }, changed);
  }
  if (!isFound) throw new Error(`the rootfs has no ${name}`);
  archive.finalize();
  return bytes;
}

/** A rootfs that has the file `/NAME` more. */
export function rootfsWith(name: string): Promise<Buffer> {
  return changedTar(/^$/, (archive) => archive.entry({ name }, 'here'));
}

/** Puts a rootfs and its manifest where the node sees them. @returns the node's name for the tar. */
export function offer(node: ScratchNode, bytes: Buffer, name = 'rootfs.tar', manifest = {}): string {
  writeFileSync(join(node.sharedDirectory, name), bytes);
  const parsed = JSON.parse(manifestText);
  const rootfs = { ...parsed.rootfs, digest: digestOf(bytes) };
  const text = JSON.stringify({ ...parsed, rootfs, ...manifest });
  writeFileSync(join(node.sharedDirectory, 'rootfs-manifest.json'), text);
  return `${shared}/${name}`;
}

/** What the symlink `rootfs` leads to: `versions/…`. */
export function currentVersion(node: ScratchNode): string {
  return readlinkSync(node.path(`${mounterHome}/rootfs`));
}

/** The digests of the versions that are there. */
export function installedVersions(node: ScratchNode): readonly string[] {
  if (!existsSync(node.path(`${mounterHome}/versions`))) return [];
  return readdirSync(node.path(`${mounterHome}/versions`))
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => `sha256:${name}`)
    .sort();
}

/** What an install or a prune has to take away again. */
export function unfinished(node: ScratchNode): readonly string[] {
  const home = node.path(mounterHome);
  if (!existsSync(`${home}/versions`)) return [];
  const names = [...readdirSync(home), ...readdirSync(`${home}/versions`)];
  return names.filter((name) => name.startsWith('.unfinished') || name.endsWith('.new'));
}
