import { copyFileSync, existsSync, lstatSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/files.ts';
import type { Host } from '../host/host.ts';
import { mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import type { Layout } from '../rootfs/layout.ts';
import type { Manifest } from '../rootfs/manifest.ts';
import { prepareRootfs } from '../rootfs/prepare.ts';
import { checkRootfs } from './check.ts';
import { placeExecutable } from './executable.ts';
import {
  currentDigest,
  installedDigests,
  removeUnfinished,
  switchTo,
  unpackVersion,
  versionPath,
} from './versions.ts';

/** What is to be installed: read and checked before anything is touched. */
export interface InstallRequest {
  readonly file: string;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly manifestText: string;
}

export interface InstallContext {
  readonly layout: Layout;
  readonly host: Host;
  /** This program's own path, resolved. */
  readonly executable: string;
}

/**
 * Everything that can fail comes before the switch, which is one rename.
 * @returns what was done, a line each; nothing where all was in place.
 */
export async function installVersion(
  request: InstallRequest,
  context: InstallContext,
): Promise<readonly string[]> {
  const { layout, host, executable } = context;
  const { digest, manifest } = request;
  const done: string[] = [];
  // rpc.statd, which is not root, must find its way in.
  process.umask(0o022);
  refuseRealRootfs(layout);
  mkdirSync(layout.home, { recursive: true, mode: 0o755 });
  removeUnfinished(layout, host);
  if (!installedDigests(layout).includes(digest)) {
    await unpackVersion(request.file, digest, (root) => checkRootfs(root, manifest), context);
    done.push(`unpacked ${versionPath(layout, digest)}`);
  } else checkRootfs(versionPath(layout, digest), manifest);
  if (placeExecutable(executable, layout)) done.push(`placed ${layout.executable}`);
  const previous = currentDigest(layout);
  if (previous !== digest && previous !== undefined) {
    keepResolvConf(layout, digest);
    // Mounts go on while we switch: the new version is ready before anything leads to it.
    if (isInUse(layout, host)) {
      const root = realpathSync(versionPath(layout, digest));
      done.push(...(await prepareRootfs(root, { host, layout, manifest })));
    }
  }
  done.push(...placeManifest(request.manifestText, layout, host));
  if (previous !== digest) {
    switchTo(layout, digest);
    done.push(`switched ${layout.rootfs} to it`);
  }
  return done;
}

/** A manifest that is replaced may have settings of the operator's: it stays under another name. */
function placeManifest(text: string, layout: Layout, host: Host): readonly string[] {
  const current = host.readText(layout.manifest);
  if (current === text) return [];
  if (current === undefined) {
    writeAtomically(layout.manifest, text, 0o644);
    return [`wrote ${layout.manifest}`];
  }
  writeAtomically(`${layout.manifest}.previous`, current, 0o644);
  writeAtomically(layout.manifest, text, 0o644);
  return [`wrote ${layout.manifest}; the one before is ${layout.manifest}.previous`];
}

/** Whether the rootfs of now was prepared, perhaps from another manifest or not to the end. */
function isInUse(layout: Layout, host: Host): boolean {
  return (
    existsSync(layout.rootfs) && mountsBelow(readMountinfo(host), realpathSync(layout.rootfs)).length > 0
  );
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

/** kubelet writes rootfs/etc/resolv.conf at its start, and not again when the rootfs changes. */
function keepResolvConf(layout: Layout, digest: string): void {
  const current = `${layout.rootfs}/etc/resolv.conf`;
  const next = `${versionPath(layout, digest)}/etc/resolv.conf`;
  if (!lstatSync(current, { throwIfNoEntry: false })?.isFile()) return;
  const unfinished = `${next}.new`;
  rmSync(unfinished, { force: true });
  copyFileSync(current, unfinished);
  renameSync(unfinished, next);
}
