import type { FileStatus, Host } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { type Stamps, stampsFile, stampsOf } from './stamps.ts';

/**
 * Files of the node's own that helpers and rpc.statd read, and the rootfs has copies of. Copies, because a mount of
 * one file would go on showing the old one when that is replaced, and a mount of /etc would show its secrets. What says
 * how the image's programs work (nsswitch.conf, netconfig, services, protocols, rpc) stays the image's.
 */
interface NodeFile {
  readonly path: string;
  /** The files `*.conf` in it instead. */
  readonly isDirectory?: true;
  /** Lines that are left out. */
  readonly omits?: RegExp;
  /** The rootfs has to have one. @returns what is to be in it. @param text the node's; empty where it has no such file. */
  readonly completed?: (text: string) => string;
}

/** @see nfsmount.conf(5): mount.nfs would go on in the background, as with `bg`, which is refused */
const background = /^[ \t]*(background|bg)[ \t]*=.*$/gim;
/** @see nfs.conf(5): a directory and a program of the node's, which the rootfs does not have */
const ofTheNode = /^[ \t]*(state-directory-path|ha-callout)[ \t]*=.*$/gim;

/** Where a distribution keeps its own settings: nfs-utils goes by them where /etc has no such file. @see nfs.conf(5) */
const ofDistribution = '/usr/etc';

const nodeFiles: readonly NodeFile[] = [
  { path: '/etc/hosts', completed: withLocalhost },
  { path: '/etc/host.conf' },
  { path: '/etc/gai.conf' },
  ...[ofDistribution, '/etc'].flatMap((etc): readonly NodeFile[] => [
    { path: `${etc}/nfsmount.conf`, omits: background },
    { path: `${etc}/nfsmount.conf.d`, isDirectory: true, omits: background },
    { path: `${etc}/nfs.conf`, omits: ofTheNode },
    { path: `${etc}/nfs.conf.d`, isDirectory: true, omits: ofTheNode },
  ]),
];

/** Much more than such files have: they are read at once, and copied into every version. */
const maximumBytes = 1024 * 1024;
const maximumFiles = 64;

/** Matches nothing. */
const noLine = /(?!)/g;

const title = "# Copied by mounter from this node's ";

/** What a file in the rootfs is to be; `text` undefined: what is there stays, unless it is an old copy. */
interface WantedCopy {
  readonly path: string;
  readonly text: string | undefined;
  readonly leftOut: LeftOut | undefined;
}

/** In words, why not all of a file is copied, or nothing; and what helps. */
export interface LeftOut {
  readonly told: string;
  readonly remedy: string;
}

export interface CopyContext {
  readonly host: Host;
  readonly manifest: Pick<NodeSettings, 'mounts'>;
}

/**
 * Makes the copies in `rootfs` those of the node's files as they are.
 * @returns what was done, and what was left out, a line each; nothing where all was right.
 * @throws what writing them throws.
 */
export function copyNodeFiles(rootfs: string, context: CopyContext): readonly string[] {
  const { host } = context;
  const changed: string[] = [];
  // Another call may copy an older state, and be later: what is there in the end has to be what the stamps say.
  for (let turn = 0; turn < 3; turn += 1) {
    const stamps = stampsOf(watchedPaths(host), host);
    const copies = wantedCopies(rootfs, context);
    changed.push(...copies.filter((copy) => write(rootfs, copy, host)).map(({ path }) => path));
    if (host.readText(stampsFile(rootfs)) !== stamps) host.replaceText(stampsFile(rootfs), stamps, 0o600);
    const isSettled =
      stampsOf(watchedPaths(host), host) === stamps && oldCopies(rootfs, context).length === 0;
    if (!isSettled) continue;
    const leftOut = changed.length === 0 ? [] : copies.flatMap((copy) => copy.leftOut?.told ?? []);
    const names = [...new Set(changed)].join(', ');
    return [...(names === '' ? [] : [`copied ${names} of this node into ${rootfs}`]), ...leftOut];
  }
  return [];
}

/** For a mount, which goes on with the old copies where they cannot be replaced. */
export function copyNodeFilesIfPossible({ host, rootfs }: Stamps, manifest: CopyContext['manifest']): void {
  try {
    // Not to be led elsewhere by an install, halfway.
    copyNodeFiles(host.realPath(rootfs) ?? rootfs, { host, manifest });
  } catch {
    // A read-only or full disk: what is wrong there shows where it matters.
  }
}

/** What is written in `rootfs`, but for what lies in directories of its etc. */
export function writtenFiles(rootfs: string): readonly string[] {
  const files = nodeFiles.filter(({ isDirectory }) => isDirectory !== true);
  return [...files.map(({ path }) => `${rootfs}${path}`), stampsFile(rootfs)];
}

/** The copies in `rootfs` that are not what they are to be. */
export function oldCopies(rootfs: string, context: CopyContext): readonly string[] {
  const { host } = context;
  return wantedCopies(rootfs, context)
    .filter(({ path, text }) => isOld(currentText(`${rootfs}${path}`, host), text))
    .map(({ path }) => path);
}

/** What of the node's files is not copied. */
export function leftOutOfCopies(rootfs: string, context: CopyContext): readonly LeftOut[] {
  return wantedCopies(rootfs, context).flatMap(({ leftOut }) => leftOut ?? []);
}

function watchedPaths(host: Host): readonly string[] {
  const files = nodeFiles.flatMap((file) =>
    host.lstat(file.path) === undefined
      ? []
      : [file.path, ...(file.isDirectory ? filesIn(file.path, host) : [])],
  );
  // As /etc, it changes when a file in it appears. Where there is none, a mount does not ask for it: updates bring it.
  return host.lstat(ofDistribution) === undefined ? files : [ofDistribution, ...files];
}

/** As nfs-utils takes them: names that end in `.conf`, and none that is hidden. */
function filesIn(directory: string, host: Host): readonly string[] {
  if (host.stat(directory)?.kind !== 'directory') return [];
  const names = host.list(directory).filter((name) => /^[^.].*\.conf$/.test(name));
  return names.toSorted().map((name) => `${directory}/${name}`);
}

function wantedCopies(rootfs: string, { host, manifest }: CopyContext): readonly WantedCopy[] {
  const isMounted = (path: string) => manifest.mounts.mounter.some((mount) => mount.rootfs === path);
  return nodeFiles
    .filter(({ path }) => !isMounted(path))
    .flatMap((file) => {
      if (!file.isDirectory) return [copyOf(file.path, file, host)];
      const copied = filesIn(`${rootfs}${file.path}`, host).map((path) => path.slice(rootfs.length));
      const paths = [...new Set([...filesIn(file.path, host).slice(0, maximumFiles), ...copied])];
      return paths.map((path) => copyOf(path, file, host));
    });
}

function copyOf(path: string, { omits = noLine, completed }: NodeFile, host: Host): WantedCopy {
  const status = host.stat(path);
  const fault = status && faultOf(status);
  const read = status === undefined || fault !== undefined ? undefined : host.readText(path);
  const omitted = (read?.match(omits) ?? []).map((line) => line.trim());
  const leftOut = fault
    ? {
        told: `${path} is not copied into the rootfs: ${fault}`,
        remedy: "make it a plain file of root's alone",
      }
    : omitted.length > 0
      ? { told: `left out of the copy of ${path}: ${omitted.join(', ')}`, remedy: `take that out of ${path}` }
      : undefined;
  const kept = read?.replace(omits, (line) => `# left out: ${line}`);
  const text = completed === undefined ? kept : completed(kept ?? '');
  const heading = `${title}${path}. What is written here gets lost.\n`;
  return { path, text: text === undefined ? undefined : heading + text, leftOut };
}

function faultOf({ kind, size, isRoots }: FileStatus): string | undefined {
  if (kind !== 'file') return 'it is no plain file';
  if (!isRoots) return 'others than root can change it';
  return size > maximumBytes ? `it has more than ${maximumBytes} bytes` : undefined;
}

/** rpc.statd and rpcinfo ask for this name, and the DNS does not always know it. */
function withLocalhost(text: string): string {
  const lines = /^[^#\n]*\slocalhost(\s|$)/m.test(text) ? '' : '127.0.0.1 localhost\n::1 localhost\n';
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines}`;
}

function currentText(path: string, host: Host): string | undefined {
  return host.lstat(path)?.kind === 'file' ? host.readText(path) : undefined;
}

function isOld(current: string | undefined, text: string | undefined): boolean {
  return text === undefined ? (current?.startsWith(title) ?? false) : current !== text;
}

/** @returns whether it was not so before. */
function write(rootfs: string, { path, text }: WantedCopy, host: Host): boolean {
  const copy = `${rootfs}${path}`;
  if (!isOld(currentText(copy, host), text)) return false;
  if (text === undefined) host.remove(copy);
  else {
    makeDirectory(rootfs, path.slice(0, path.lastIndexOf('/')), host);
    host.replaceText(copy, text, 0o644);
  }
  return true;
}

/** Of an image: a symlink there could lead to a directory of the node's. */
function makeDirectory(rootfs: string, path: string, host: Host): void {
  let directory = rootfs;
  for (const name of path.split('/').slice(1)) {
    directory = `${directory}/${name}`;
    const kind = host.lstat(directory)?.kind;
    if (kind === 'directory') continue;
    if (kind !== undefined) host.remove(directory);
    host.makeDirectory(directory, 0o755);
  }
}
