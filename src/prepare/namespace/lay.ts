import { chmodSync, closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Host } from '../../host/host.ts';
import { changeDirectory, detach, makeDevice, mount, mountFlags } from '../../host/mount-calls.ts';
import { type MountEntry, readMountinfo } from '../../host/mountinfo.ts';
import type { ManifestMount } from '../../manifest/manifest.ts';
import { daemonDirectories } from '../../node/layout.ts';
import type { View } from '../../rootfs/entrance.ts';
import { makeMountPoint, observe } from '../mount-points.ts';
import { mountActions, planNamespaceRoot } from '../mounts.ts';
import { applyHere } from './apply-here.ts';
import { fuseDevice, usualDevices } from './views.ts';

/** open(2)'s O_PATH, which node:fs does not name. */
const O_PATH = 0o10000000;

/** The parts of a view of a rootfs. */
export interface ViewRequest {
  readonly view: View;
  /** `versions/<digest>`, without symlinks. */
  readonly root: string;
  /** The mounts of the view; the host path of each is there. */
  readonly mounts: readonly ManifestMount[];
  /** Directories that have to be there: each mount gets a filesystem of its own on them. */
  readonly directories: readonly string[];
  /** The host's devices that helpers have beside the usual ones. */
  readonly devices: readonly string[];
}

/**
 * Makes the rootfs the root of this thread's mount namespace, a new copy of the host's, with the mounts of one
 * view in it and nothing else. Nothing of it is seen on the host, and it is whole or an error.
 *
 * It does not need pivot_root(2), which container runtimes forbid by their default seccomp profile. The rootfs is moved
 * over the namespace's root, which setns(2) follows, and what the host had below that is taken out of the copy.
 * @param entries of the host; the copy has the same.
 * @throws MounterError, or like node:fs, when a step fails; the namespace is then of no use.
 */
export function layView(request: ViewRequest, entries: readonly MountEntry[], host: Host): void {
  const { view, root, mounts, directories, devices } = request;
  applyHere([{ kind: 'propagation', to: '/', propagation: 'rprivate' }, ...planNamespaceRoot(root, entries)]);
  for (const path of view === 'helpers' ? ['/dev', '/proc', ...daemonDirectories, ...directories] : [])
    makeMountPoint({ rootfs: path }, root);
  for (const wanted of mounts) {
    makeMountPoint(wanted, root);
    const observed = observe(wanted, root, host);
    applyHere(mountActions(observed, entries));
    if (view === 'helpers') harden(observed.target, observed.mount, isExecuted(wanted));
  }
  if (view === 'helpers') layHelpersOwn(root, devices);
  leaveHost(root, host);
}

/** A program is one file that is laid over the image's own. */
function isExecuted({ type, access, rootfs }: ManifestMount): boolean {
  return type === 'bind' && access === 'rw' && /\/s?bin\//.test(rootfs);
}

/** Nothing of the host's is a program, or a device, in there. */
function harden(target: string, { access }: ManifestMount, isProgram: boolean): void {
  const { remount, bind, nosuid, nodev, noexec, ro } = mountFlags;
  mount(
    undefined,
    target,
    remount | bind | nosuid | nodev | (isProgram ? 0 : noexec) | (access === 'ro' ? ro : 0),
  );
}

/** Some devices, no processes and nothing of /run; the image itself cannot be written. */
function layHelpersOwn(root: string, devices: readonly string[]): void {
  const { remount, bind, nosuid, nodev, noexec, ro } = mountFlags;
  mount('tmpfs', `${root}/dev`, nosuid | noexec, { type: 'tmpfs', data: 'mode=0755,size=64k,nr_inodes=64' });
  for (const [name, major, minor] of [...usualDevices, fuseDevice]) {
    makeDevice(`${root}/dev/${name}`, major, minor);
    chmodSync(`${root}/dev/${name}`, 0o666);
  }
  for (const path of devices) {
    mkdirSync(dirname(root + path), { recursive: true, mode: 0o755 });
    writeFileSync(root + path, '', { flag: 'wx' });
    mount(path, root + path, bind);
    mount(undefined, root + path, remount | bind | nosuid | noexec);
  }
  mount(undefined, `${root}/dev`, remount | bind | ro | nosuid | noexec);
  for (const path of ['/proc', '/run'])
    mount('tmpfs', `${root}${path}`, ro | nosuid | nodev | noexec, { type: 'tmpfs', data: empty });
  mount(undefined, root, remount | bind | ro | nosuid | nodev);
}

const empty = 'mode=0755,size=64k,nr_inodes=16';

/** Makes the rootfs the root of this namespace for whoever enters it. Of the host one mount is left, beneath it. */
function leaveHost(root: string, host: Host): void {
  const hostRoot = openSync('/', O_PATH | constants.O_DIRECTORY);
  try {
    const entries = readMountinfo(host);
    const rootId = entries.findLast(({ mountPoint }) => mountPoint === '/')?.mountId;
    const others = entries.filter(({ parentId, mountPoint }) => parentId === rootId && mountPoint !== root);
    mount(root, '/', mountFlags.move);
    changeDirectory(hostRoot);
    for (const { mountPoint } of others.reverse()) detach(`.${mountPoint}`);
  } finally {
    closeSync(hostRoot);
  }
}
