import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { resolveInRoot } from '../../host/path-in-root.ts';
import { about } from '../../host/system-error.ts';
import { type Manifest, parseManifest } from '../../manifest/manifest.ts';
import { effectiveManifest, type TextFile } from '../../manifest/node-settings.ts';
import type { Layout } from '../../node/layout.ts';
import { type BareNode, readNodeSettings } from '../../node/node.ts';

/** A manifest as it stands in its file, checked. */
export interface ManifestFile extends TextFile {
  /** With the settings of the node that it was chosen for. */
  readonly manifest: Manifest;
}

/** Where an image brings its manifest along. */
const manifestInImage = '/usr/share/containerized-mounter/rootfs-manifest.json';

/**
 * The manifest that is named with --manifest, or lies beside a local source.
 * @returns undefined when there is neither.
 * @throws MounterError when the one named is not there, or either is not valid.
 */
export function explicitManifest(source: string, named: string | undefined): ManifestFile | undefined {
  if (named !== undefined) {
    if (!existsSync(named)) throw noSuchManifest(named);
    return readManifestFile(named);
  }
  const beside = besideSource(source);
  return beside !== undefined && existsSync(beside) ? readManifestFile(beside) : undefined;
}

/** @returns undefined where the source is neither a local file nor a directory. */
export function besideSource(source: string): string | undefined {
  return existsSync(source) ? `${dirname(source)}/rootfs-manifest.json` : undefined;
}

/**
 * The manifest that a version is installed with: the explicit one, else the one inside the image, else the node's.
 * @param root of the unpacked image.
 * @throws MounterError (usage) when there is none of them; (system) when the node's own settings do not fit it.
 */
export function chooseManifest(
  explicit: ManifestFile | undefined,
  root: string,
  { layout, host }: BareNode,
  reference: string,
): ManifestFile {
  const chosen = explicit ?? manifestOf(root, layout, reference);
  return { ...chosen, manifest: effectiveManifest(chosen, readNodeSettings(host, layout)) };
}

function manifestOf(root: string, layout: Layout, reference: string): ManifestFile {
  const resolved = resolveInRoot(root, manifestInImage);
  if (resolved !== undefined && lstatSync(root + resolved).isFile())
    return readManifestFile(root + resolved, `${manifestInImage} of ${reference}`);
  if (existsSync(layout.manifest)) return readManifestFile(layout.manifest);
  throw new MounterError(`the image has no ${manifestInImage}, and this node has no manifest yet`, {
    subject: reference,
    status: exitCode.usage,
    hint: 'name the manifest that belongs to it with --manifest',
  });
}

/** @param name for messages. */
function readManifestFile(path: string, name = path): ManifestFile {
  const text = about(path, () => readFileSync(path, 'utf8'));
  return { path: name, text, manifest: parseManifest(text, name) };
}

export function noSuchManifest(path: string): MounterError {
  return new MounterError('there is no manifest for the rootfs', {
    subject: path,
    status: exitCode.usage,
    hint: 'put rootfs-manifest.json beside the file, or name it with --manifest',
  });
}
