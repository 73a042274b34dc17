import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { isErrnoException } from '../host/system-error.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { TextFile } from '../manifest/node-settings.ts';
import { shellWord } from '../shell-word.ts';
import { defaultHome, type Layout, layoutOf } from './layout.ts';
import { offBySettings, offFile } from './off.ts';

/** A node that a manifest was installed on: what commands that change it, or look at it, work with. */
export interface NodeContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: Manifest;
}

/** A node on which there may be nothing yet. */
export type BareNode = Pick<NodeContext, 'host' | 'layout'>;

/**
 * The layout that the environment and the place of the executable give. MOUNTER_HOME and MOUNTER_MANIFEST
 * override; else it is the directory of the executable, once something is installed there; else the place
 * kubelet's set-up uses.
 * @param executable this program's own path, resolved.
 */
export function findLayout(host: Host, executable: string, environment: NodeJS.ProcessEnv): Layout {
  const manifest = environment.MOUNTER_MANIFEST || undefined;
  const home = environment.MOUNTER_HOME?.replace(/(?<=.)\/+$/, '');
  if (home) {
    if (home.startsWith('/') && !home.split('/').includes('..')) return layoutOf(home, manifest);
    throw new MounterError('MOUNTER_HOME is not an absolute path without ".."', {
      subject: home,
      status: exitCode.usage,
      hint: `unset it, or set it to a directory such as ${defaultHome}`,
    });
  }
  const directory = executable.slice(0, executable.lastIndexOf('/'));
  const isInstalled = host.stat(`${directory}/versions`)?.kind === 'directory';
  return layoutOf(isInstalled ? directory : defaultHome, manifest);
}

/**
 * The manifest with the node's own settings in it.
 * @throws MounterError (system) when it is missing, or either is not valid.
 */
export async function readManifest(host: Host, layout: Layout): Promise<Manifest> {
  const text = readSettingsText(host, layout.manifest);
  if (text !== undefined) {
    // Its schema is heavy to load; a mount goes by settings.ts and has no need of it.
    const { effectiveManifest } = await import('../manifest/node-settings.ts');
    return effectiveManifest({ path: layout.manifest, text }, readNodeSettings(host, layout));
  }
  throw new MounterError('there is no manifest: nothing is installed here', {
    subject: layout.manifest,
    status: exitCode.system,
    hint:
      layout.manifest !== layoutOf(layout.home).manifest
        ? 'unset MOUNTER_MANIFEST, or set it to the path of a manifest'
        : 'run mounter install SOURCE, or set MOUNTER_HOME to where it is installed',
  });
}

/**
 * @returns undefined where the node has none.
 * @throws MounterError (system) for a directory, a link that leads nowhere, and for what others than root can write.
 */
export function readNodeSettings(
  host: Pick<Host, 'readText' | 'stat' | 'lstat'>,
  { nodeSettings: path }: Layout,
): TextFile | undefined {
  const text = readSettingsText(host, path);
  if (text !== undefined) return { path, text };
  // Somebody has set something, such as a policy; to mount as if there were nothing would be to leave it out.
  if (host.lstat(path)?.kind === 'symlink')
    throw new MounterError('is a link that leads nowhere', {
      subject: path,
      status: exitCode.system,
      hint: `see readlink ${shellWord(path)}, and bring that file back; or remove the link, if nothing is to be set`,
    });
  return undefined;
}

/**
 * A file of settings. Whoever writes one is root on the node: it names programs, and what of the host is mounted where.
 * @throws MounterError (system) for a directory, and for what others than root can write.
 */
export function readSettingsText(host: Pick<Host, 'readText' | 'stat'>, path: string): string | undefined {
  const status = host.stat(path);
  if (status?.kind === 'file' && !status.isRoots) throw writableByOthers(path);
  try {
    return host.readText(path);
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EISDIR') throw error;
    throw new MounterError('is a directory, and no file with settings', {
      subject: path,
      status: exitCode.system,
      hint: 'remove it, then run mounter install SOURCE',
      cause: error,
    });
  }
}

function writableByOthers(path: string): MounterError {
  const word = shellWord(path);
  return new MounterError('others than root can write it, and so be root on this node', {
    subject: path,
    status: exitCode.system,
    hint: `run chown root:root ${word} && chmod go-w ${word}, once it says what you want`,
  });
}

/**
 * @returns undefined where there is none, or where it is broken on a node that is turned off all the same.
 * @throws MounterError (system) for one that is broken elsewhere.
 */
export async function readManifestIfThere(host: Host, layout: Layout): Promise<Manifest | undefined> {
  if (host.stat(layout.manifest) === undefined) return undefined;
  try {
    return await readManifest(host, layout);
  } catch (error) {
    if (!(error instanceof MounterError) || offFile(host, layout) === undefined) throw error;
    return undefined;
  }
}

/** @throws MounterError (usage, as mount(8) has it) for anyone but root. */
export function requireRoot(host: Host, what: string): void {
  if (host.effectiveUserId() === 0) return;
  throw new MounterError(`${what} needs root`, {
    status: exitCode.usage,
    hint: 'run it as root, or with sudo',
  });
}

/** @throws MounterError (system) in a plain chroot: nothing that is mounted in there can be kept from propagating. */
export function requireMountedRoot(host: Host, what: string): void {
  if (readMountinfo(host).some(({ mountPoint }) => mountPoint === '/')) return;
  throw new MounterError(`${what} does not work in a plain chroot: its root directory is no mount point`, {
    subject: '/',
    status: exitCode.system,
    hint: 'run it on the host itself, such as by nsenter --target 1 --mount -- mounter …',
  });
}

/**
 * What a command says that leaves a node alone because the mounter is off there; undefined where it is on.
 * @throws MounterError (system) where no file turns it off, and there is no manifest to ask.
 */
export async function nothingDoneWhereOff(host: Host, layout: Layout): Promise<string | undefined> {
  const offBy = offFile(host, layout) ?? offBySettings(host, layout, await readManifest(host, layout));
  return offBy === undefined ? undefined : `turned off by ${offBy}; nothing done`;
}
