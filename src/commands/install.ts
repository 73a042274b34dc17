import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { withFileLock } from '../host/file-lock.ts';
import type { Host } from '../host/host.ts';
import { mountsBelow } from '../host/mountinfo.ts';
import { checkRootfs } from '../image/check.ts';
import {
  currentDigest,
  installedDigests,
  removeUnfinished,
  switchTo,
  unpackVersion,
  versionPath,
} from '../image/versions.ts';
import { type Layout, layoutOf } from '../rootfs/layout.ts';
import { type Manifest, parseManifest } from '../rootfs/manifest.ts';
import { requireRoot } from '../rootfs/node.ts';
import { prepareRootfs, readEntries, writeAtomically } from '../rootfs/prepare.ts';
import { parseFlags } from './flags.ts';
import { helpFor } from './help.ts';
import { nodeLock, nodeLockSeconds } from './prepare.ts';
import type { CommandContext } from './table.ts';

/** What is to be installed: read and checked before anything is touched. */
interface InstallRequest {
  readonly file: string;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly manifestText: string;
}

/** `mounter install FILE` */
export async function install(argv: readonly string[], context: CommandContext): Promise<number> {
  const { host, output } = context;
  const flags = parseFlags('install', argv, {
    boolean: [],
    string: ['digest', 'manifest', 'home'],
    operands: [1, 1],
  });
  if (flags.help) {
    output.out(helpFor('install'));
    return exitCode.success;
  }
  requireRoot(host, 'installing');
  const home = flags.value('home');
  const layout = home === undefined ? context.layout : layoutOf(resolve(home), process.env.MOUNTER_MANIFEST);
  const request = readRequest(flags.operands[0] ?? '', flags.value('manifest'), flags.value('digest'));
  const done = await withFileLock(nodeLock, nodeLockSeconds, () =>
    installVersion(request, { ...context, layout }),
  );
  const summary = `${request.manifest.rootfs.name} ${request.digest} in ${layout.home}`;
  output.out(
    done.length === 0 ? `installed already: ${summary}\n` : `${done.join('\n')}\ninstalled ${summary}\n`,
  );
  return exitCode.success;
}

function readRequest(
  file: string,
  manifestFlag: string | undefined,
  digestFlag: string | undefined,
): InstallRequest {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new MounterError('there is no such file', {
      subject: file,
      status: exitCode.usage,
      hint: 'name the tar of a rootfs, such as dist/rootfs.tar.zst',
    });
  }
  const manifestPath = manifestFlag ?? `${dirname(file)}/rootfs-manifest.json`;
  if (!existsSync(manifestPath)) {
    throw new MounterError('there is no manifest for the rootfs', {
      subject: manifestPath,
      status: exitCode.usage,
      hint: 'put rootfs-manifest.json beside the file, or name it with --manifest',
    });
  }
  const manifestText = readFileSync(manifestPath, 'utf8');
  const manifest = parseManifest(manifestText, manifestPath);
  return { file, manifest, manifestText, digest: wantedDigest(file, manifest, digestFlag) };
}

function wantedDigest(file: string, manifest: Manifest, digestFlag: string | undefined): string {
  const digest = digestFlag ?? manifest.rootfs.digest;
  if (digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new MounterError(
    digest === undefined
      ? 'the manifest has no rootfs.digest to check it with'
      : 'the digest is not sha256: and 64 hexadecimal digits',
    {
      subject: digest ?? file,
      status: exitCode.usage,
      hint: 'give the digest of the uncompressed tar with --digest sha256:…',
    },
  );
}

/**
 * Everything that can fail comes before the switch, which is one rename.
 * @returns what was done, a line each; nothing where all was in place.
 */
async function installVersion(request: InstallRequest, context: CommandContext): Promise<readonly string[]> {
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
  if (host.readText(layout.manifest) !== request.manifestText) {
    writeAtomically(layout.manifest, request.manifestText, 0o644);
    done.push(`wrote ${layout.manifest}`);
  }
  if (previous !== digest) {
    switchTo(layout, digest);
    done.push(`switched ${layout.rootfs} to it`);
  }
  return done;
}

/** Whether the rootfs of now was prepared, perhaps from another manifest or not to the end. */
function isInUse(layout: Layout, host: Host): boolean {
  return existsSync(layout.rootfs) && mountsBelow(readEntries(host), realpathSync(layout.rootfs)).length > 0;
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

/**
 * kubelet's mounter path is MOUNTER_HOME/mounter. A running one keeps its old file: the new one comes by
 * rename.
 * @returns whether it was placed; not where it is this very file, or when this is no compiled executable.
 */
function placeExecutable(executable: string, layout: Layout): boolean {
  if (basename(executable) !== 'mounter' || isSameContent(executable, layout.executable)) return false;
  const unfinished = `${layout.executable}.new`;
  rmSync(unfinished, { force: true });
  try {
    copyFileSync(executable, unfinished, constants.COPYFILE_FICLONE);
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, layout.executable);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  return true;
}

function isSameContent(a: string, b: string): boolean {
  const [first, second] = [statSync(a), statSync(b, { throwIfNoEntry: false })];
  if (second === undefined || first.size !== second.size) return false;
  if (first.dev === second.dev && first.ino === second.ino) return true;
  return readFileSync(a).equals(readFileSync(b));
}
