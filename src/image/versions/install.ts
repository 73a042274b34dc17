import { lstatSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { placeGuard, removeImagesGuardedProgram } from '../../guard/place.ts';
import type { Host } from '../../host/host.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { isGuardNeeded } from '../../mount/filesystems/all.ts';
import type { Layout } from '../../node/layout.ts';
import { withNodeLock, withVersionsLock } from '../../node/lock.ts';
import { type BareNode, requireMountedRoot } from '../../node/node.ts';
import { closeVersions } from '../../node/version-directories.ts';
import { unlink } from '../../prepare/namespace/pins.ts';
import type { ImageContent } from '../content.ts';
import { openSource, type SourceOptions } from '../source.ts';
import { activateVersion, inheritResolvConf, removeImagesResolvConf } from './activate.ts';
import { checkRootfs, few, missingFrom } from './check.ts';
import { placeExecutables } from './executable.ts';
import { chooseManifest, type ManifestFile } from './manifest-choice.ts';
import { mend } from './mend.ts';
import { keepEdits, placedDigest } from './node-edits.ts';
import { stage } from './stage.ts';
import { withStaging } from './staging.ts';
import { differencesFrom, readTreeRecord, writeTreeRecord } from './tree-record.ts';
import { diskUsage, readRecord, unknownRecord, writeRecord } from './version-record.ts';
import { versionPath } from './versions.ts';
import { requireDigest } from './wanted-digest.ts';
import { requireSignedHere } from './wanted-signature.ts';

/** What is to be installed. */
export interface InstallRequest {
  /** A reference, a file, a directory or a URL. */
  readonly source: string;
  readonly fetch: Omit<SourceOptions, 'downloadDirectory'>;
  /** From --manifest, or beside the source. */
  readonly manifest: ManifestFile | undefined;
  readonly isToSwitch: boolean;
  /** Files, of which one key has to have signed it; none: whom the node's settings name. */
  readonly verifyKeys: readonly string[];
}

export interface InstallContext extends BareNode {
  /** This program's own path, resolved. */
  readonly executable: string;
}

export interface Installed {
  readonly digest: string;
  readonly manifest: ManifestFile;
  /** What was done, a line each; nothing where all was in place. */
  readonly done: readonly string[];
}

interface Installing {
  readonly content: ImageContent;
  readonly request: InstallRequest;
  readonly context: InstallContext;
  readonly done: string[];
}

/**
 * 1. What SOURCE leads to is looked up, or, from a URL, fetched; and its signatures, where they are asked for. Over the
 *    network, without a lock.
 * 2. A version that is there and whole is switched to. Under the versions' lock.
 * 3. Any other is fetched, unpacked and tried in a place of this install's own. Without a lock: a slow registry
 *    holds up nobody else.
 * 4. It gets its name, unless another install was faster with the same one, or mends what is damaged under that name.
 *    Then it is switched to. Under the versions' lock.
 */
export async function installVersion(request: InstallRequest, context: InstallContext): Promise<Installed> {
  // rpc.statd, which is not root, must find its way in.
  process.umask(0o022);
  refuseRealRootfs(context.layout);
  requireMountedRoot(context.host, 'installing');
  return await withStaging(context, async ({ downloads, tree }) => {
    const opened = await openSource(request.source, { ...request.fetch, downloadDirectory: downloads });
    try {
      const { content } = opened;
      requireDigest(content, request);
      await requireSignedHere(content, request, context);
      const done = [...closeVersions(context.layout)];
      return await installContent({ content, request, context, done }, tree);
    } finally {
      await opened.dispose();
    }
  });
}

async function installContent(installing: Installing, tree: string): Promise<Installed> {
  const { request, context, done } = installing;
  const installed = await withVersionsLock(async () => {
    // Before any record is written: it tells what was edited.
    done.push(...(await withNodeLock(async () => keepEdits(context, request.manifest?.text))));
    const manifest = await keepInstalled(installing);
    return manifest === undefined ? undefined : await switchIfWanted(manifest, installing);
  });
  if (installed !== undefined) return installed;
  const chosen = await unpack(tree, installing);
  return await withVersionsLock(async () => {
    const manifest = (await keepInstalled(installing)) ?? (await addVersion(tree, chosen, installing));
    return await switchIfWanted(manifest, installing);
  });
}

/** Everything that can fail comes before the switch, which is one rename. */
async function switchIfWanted(
  manifest: ManifestFile,
  { content: { digest }, request, context: { layout, host, executable }, done }: Installing,
): Promise<Installed> {
  if (!request.isToSwitch) return { digest, manifest, done };
  for (const path of await placeExecutables(executable, layout)) done.push(`placed ${path}`);
  const activation = { digest, manifest: manifest.manifest, manifestText: manifest.text };
  done.push(...(await withNodeLock(() => activateVersion(activation, { layout, host }))));
  return { digest, manifest, done };
}

/** @returns the manifest it was checked against. */
async function unpack(
  tree: string,
  { content, request, context: { layout, host } }: Installing,
): Promise<ManifestFile> {
  let manifest = request.manifest;
  const prepare = async (root: string) => {
    manifest = chooseManifest(request.manifest, root, { layout, host }, content.reference);
    await checkRootfs(root, manifest.manifest, host, content.reference);
    await guardGlusterfs(root, manifest.manifest, host, content.reference);
    removeImagesResolvConf(root);
    // An image must not decide how its rootfs is entered.
    unlink(root);
    await writeTreeRecord(root);
    inheritResolvConf(layout, root);
  };
  await stage(content, tree, prepare, request.fetch.progress);
  return manifest ?? chooseManifest(undefined, tree, { layout, host }, content.reference);
}

/** Gives what was unpacked its name, or mends with it what has that name. */
async function addVersion(
  tree: string,
  manifest: ManifestFile,
  installing: Installing,
): Promise<ManifestFile> {
  const { content, context, done } = installing;
  const { digest } = content;
  const { layout } = context;
  const root = versionPath(layout, digest);
  if (lstatSync(root, { throwIfNoEntry: false })?.isDirectory()) {
    const aside = `${tree}.aside`;
    mkdirSync(aside, 0o700);
    const mended = await withNodeLock(() => mend({ root, from: tree, aside }, manifest.manifest));
    if (mended.length > 0) done.push(`mended ${root}: ${few(mended)}`);
    keepRecord(installing, manifest);
    return manifest;
  }
  rmSync(root, { force: true });
  const bytes = diskUsage(tree);
  const installedAt = new Date().toISOString();
  // Before the directory has its name: a version without a record would know no manifest of its own.
  const reference = lastingName(content.reference, content);
  const { text } = manifest;
  const replaces = placedDigest(context);
  writeRecord(layout, { digest, reference, installedAt, bytes, manifest: text, replaces, previous: null });
  renameSync(tree, root);
  done.push(`unpacked ${root}`);
  return manifest;
}

/**
 * The node agent names its image by a path in /proc/PID/root, which means nothing once that process has ended. The name
 * that the image gives itself is recorded then.
 */
function lastingName(reference: string | null, { name }: ImageContent): string | null {
  return reference !== null && /^(oci:)?\/proc\/\d+\//.test(reference) ? (name ?? null) : reference;
}

/** @throws MounterError (system) when the glusterfs of this rootfs does not run with its guard. */
async function guardGlusterfs(root: string, manifest: Manifest, host: Host, subject: string): Promise<void> {
  removeImagesGuardedProgram(root);
  if (!isGuardNeeded(manifest)) return;
  const { failure } = await placeGuard(realpathSync(root), host);
  if (failure === undefined) return;
  throw new MounterError(`the glusterfs of this rootfs cannot be guarded from its servers: ${failure}`, {
    subject,
    status: exitCode.system,
    hint: "install a rootfs of this machine's architecture with glibc 2.28 or newer, or set filesystems.glusterfs to null in node-settings.json",
  });
}

/**
 * A version that is there and whole goes on with the manifest that is wanted now.
 * @returns undefined where there is none, or it is damaged or lacks what the manifest promises.
 */
async function keepInstalled(installing: Installing): Promise<ManifestFile | undefined> {
  const { content, context } = installing;
  const path = versionPath(context.layout, content.digest);
  const entries = readTreeRecord(path);
  if (entries === undefined) return undefined;
  const manifest = chosenForInstalled(installing, path);
  if (manifest === undefined) return undefined;
  const differences = await differencesFrom(entries, path, manifest.manifest);
  if (differences.length + missingFrom(path, manifest.manifest).length > 0) return undefined;
  keepRecord(installing, manifest);
  return manifest;
}

/** @returns undefined where that inside it is damaged. */
function chosenForInstalled(
  { content: { reference }, request, context }: Installing,
  path: string,
): ManifestFile | undefined {
  try {
    return chooseManifest(request.manifest, path, context, reference);
  } catch (error) {
    if (error instanceof MounterError) return undefined;
    throw error;
  }
}

function keepRecord({ content, context }: Installing, { text }: ManifestFile): void {
  const { digest, reference } = content;
  const { layout } = context;
  const record = readRecord(layout, digest) ?? { ...unknownRecord, digest, reference, manifest: '' };
  const lasting = lastingName(record.reference, content);
  // Its first digest tells what lay there when its manifest became another one; later ones are no news.
  const replaces = record.manifest === text ? record.replaces : placedDigest(context);
  writeRecord(layout, { ...record, reference: lasting, manifest: text, replaces });
}

/** A directory in the symlink's place is somebody else's installation (the original mounter's is one). */
function refuseRealRootfs(layout: Layout): void {
  const status = lstatSync(layout.rootfs, { throwIfNoEntry: false });
  if (status === undefined || status.isSymbolicLink()) return;
  throw new MounterError('is not a symlink: another mounter is installed here', {
    subject: layout.rootfs,
    status: exitCode.system,
    hint: `move it away, or install elsewhere with --home DIR`,
  });
}
