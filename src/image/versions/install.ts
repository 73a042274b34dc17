import { lstatSync, mkdirSync, realpathSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host } from '../../host/host.ts';
import type { Layout } from '../../rootfs/layout.ts';
import { unlink } from '../../rootfs/namespace/pins.ts';
import { withNodeLock } from '../../rootfs/node-lock.ts';
import type { ImageContent } from '../content.ts';
import { type OpenedSource, openSource, type SourceOptions } from '../source.ts';
import { activateVersion } from './activate.ts';
import { checkRootfs } from './check.ts';
import { diskUsage } from './disk-usage.ts';
import { placeExecutables } from './executable.ts';
import { chooseManifest, type ManifestFile } from './manifest-choice.ts';
import { inheritResolvConf, removeImagesResolvConf } from './resolv-conf.ts';
import { finish, removeAtExit, stage } from './stage.ts';
import { downloadPath, removeTree, removeUnfinished, unfinishedPath } from './unfinished.ts';
import { readRecord, writeRecord } from './version-record.ts';
import { describeProcess, useOf } from './version-use.ts';
import { installedDigests, versionPath } from './versions.ts';
import { requireDigest } from './wanted-digest.ts';

/** What is to be installed. */
export interface InstallRequest {
  /** A reference, a file, a directory or a URL. */
  readonly source: string;
  readonly fetch: Omit<SourceOptions, 'downloadDirectory'>;
  /** From --manifest, or beside the source. */
  readonly manifest: ManifestFile | undefined;
  readonly isToSwitch: boolean;
}

export interface InstallContext {
  readonly layout: Layout;
  readonly host: Host;
  /** This program's own path, resolved. */
  readonly executable: string;
}

export interface Installed {
  readonly digest: string;
  readonly manifest: ManifestFile;
  /** What was done, a line each; nothing where all was in place. */
  readonly done: readonly string[];
}

/** Everything that can fail comes before the switch, which is one rename. Under the versions' lock. */
export async function installVersion(request: InstallRequest, context: InstallContext): Promise<Installed> {
  const { layout, host, executable } = context;
  const done: string[] = [];
  // rpc.statd, which is not root, must find its way in.
  process.umask(0o022);
  refuseRealRootfs(layout);
  const firstMade = mkdirSync(layout.versions, { recursive: true, mode: 0o755 });
  removeUnfinished(layout, host, [downloadPath(layout)]);
  const { digest, manifest } = await fetchVersion(request, context, done).finally(() => {
    if (firstMade !== undefined) removeEmpty(layout.versions, firstMade);
  });
  if (!request.isToSwitch) return { digest, manifest, done };
  for (const path of await placeExecutables(executable, layout)) done.push(`placed ${path}`);
  const activation = { digest, manifest: manifest.manifest, manifestText: manifest.text };
  done.push(...(await withNodeLock(() => activateVersion(activation, { layout, host }))));
  return { digest, manifest, done };
}

async function fetchVersion(
  request: InstallRequest,
  context: InstallContext,
  done: string[],
): Promise<{ readonly digest: string; readonly manifest: ManifestFile }> {
  const downloadDirectory = downloadPath(context.layout);
  mkdirSync(downloadDirectory, { recursive: true, mode: 0o700 });
  removeAtExit(downloadDirectory);
  let opened: OpenedSource | undefined;
  try {
    opened = await openSource(request.source, { ...request.fetch, downloadDirectory });
    const { content } = opened;
    requireDigest(content, request);
    const manifest = installedDigests(context.layout).includes(content.digest)
      ? await keepOrRepair(content, request, context, done)
      : await addVersion(content, request, context, done);
    return { digest: content.digest, manifest };
  } finally {
    await opened?.dispose();
    rmSync(downloadDirectory, { recursive: true, force: true });
  }
}

/** The directories from `path` up to `top` that have stayed empty: a first install that came to nothing. */
function removeEmpty(path: string, top: string): void {
  try {
    for (let way = path; way.startsWith(top); way = dirname(way)) rmdirSync(way);
  } catch {
    // Something is in it.
  }
}

/** @returns the manifest it was checked against. */
async function addVersion(
  content: ImageContent,
  request: InstallRequest,
  { layout, host }: InstallContext,
  done: string[],
): Promise<ManifestFile> {
  const unfinished = unfinishedPath(layout, 'version');
  let manifest = request.manifest;
  await stage(content, unfinished, async (root) => {
    manifest = chooseManifest(request.manifest, root, layout, content.reference);
    await checkRootfs(root, manifest.manifest, host, content.reference);
    removeImagesResolvConf(root);
    // How it is entered is no matter of the image's.
    unlink(root);
    inheritResolvConf(layout, root);
  });
  const chosen = manifest ?? chooseManifest(undefined, unfinished, layout, content.reference);
  const { digest, reference } = content;
  const bytes = diskUsage(unfinished);
  const installedAt = new Date().toISOString();
  const aside = setAside(layout, digest);
  // Before the directory has its name: a version without a record would know no manifest of its own.
  writeRecord(layout, { digest, reference, installedAt, bytes, manifest: chosen.text, previous: null });
  finish(unfinished, versionPath(layout, digest));
  if (aside !== undefined) removeTree(realpathSync(aside), host);
  done.push(`unpacked ${versionPath(layout, digest)}`);
  return chosen;
}

/** A version that is there is kept, unless something is missing in it. */
async function keepOrRepair(
  content: ImageContent,
  request: InstallRequest,
  context: InstallContext,
  done: string[],
): Promise<ManifestFile> {
  const { layout, host } = context;
  const { digest, reference } = content;
  const path = versionPath(layout, digest);
  const manifest = chooseManifest(request.manifest, path, layout, reference);
  try {
    await checkRootfs(path, manifest.manifest, host, reference);
  } catch (damage) {
    if (!(damage instanceof MounterError)) throw damage;
    refuseInUse(layout, digest, host, damage);
    return await addVersion(content, request, context, done);
  }
  const record = readRecord(layout, digest) ?? {
    digest,
    reference,
    installedAt: null,
    bytes: null,
    previous: null,
  };
  writeRecord(layout, { ...record, manifest: manifest.text });
  return manifest;
}

/** A damaged version makes room for the one that was unpacked anew. @returns its new name. */
function setAside(layout: Layout, digest: string): string | undefined {
  if (!installedDigests(layout).includes(digest)) return undefined;
  const aside = unfinishedPath(layout, 'damaged');
  renameSync(versionPath(layout, digest), aside);
  return aside;
}

/** @throws MounterError (system): what runs from it, or is mounted in it, would be left with nothing. */
function refuseInUse(layout: Layout, digest: string, host: Host, damage: MounterError): void {
  const { processes, mounts } = useOf(layout, digest, host);
  const [process] = processes;
  if (process === undefined && mounts.length === 0) return;
  const user = process === undefined ? 'the node is prepared with it' : describeProcess(process);
  throw new MounterError(`is damaged and in use (${user}), so it can not be exchanged: ${damage.message}`, {
    subject: versionPath(layout, digest),
    status: exitCode.system,
    hint: 'install another version, or run mounter teardown and then this install again',
    cause: damage,
  });
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
