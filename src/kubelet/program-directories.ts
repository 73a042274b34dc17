import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { resolveInRoot } from '../host/path-in-root.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';

/**
 * The only places where a kubelet in an image does not see the host's own directory: those that the image has programs
 * and libraries in. There it sees a directory of links, to all that the image has, and to what only the host has.
 */
export interface ProgramDirectory {
  /** Its path on the host, without symlinks. */
  readonly path: string;
  /** Name → where it leads in the kubelet's root. */
  readonly links: ReadonlyMap<string, string>;
}

export interface ProgramDirectoryRequest {
  /** The extracted image, without symlinks: links lead to its files by this path. */
  readonly image: string;
  /** The image's PATH, or none. */
  readonly searchPath: string;
  /** The directory in the view below which the host's own directories are seen: its `/usr` at `HOSTVIEW/usr`. */
  readonly hostView: string;
  /** Paths that are the host's even where the image has them too. */
  readonly hostPaths: readonly string[];
  /** The host's root directory, '' for `/`. */
  readonly host: string;
}

/** What of the image is laid over one directory of the host: whole directories, or single names. */
interface Laid {
  readonly directories: string[];
  readonly names: Map<string, string>;
}

/**
 * @returns them in an order in which they can be laid: a directory comes before those within it.
 * @throws MounterError (system) where the host has no directory to lay the image's on.
 */
export function programDirectories(request: ProgramDirectoryRequest): readonly ProgramDirectory[] {
  const { image, host } = request;
  const laid = new Map<string, Laid>();
  const at = (place: string) => {
    const found: Laid = laid.get(place) ?? { directories: [], names: new Map() };
    laid.set(place, found);
    return found;
  };
  for (const path of pathsOfPrograms(request)) {
    const own = resolveInRoot(image, path) ?? path;
    const place = directoryIn(host, path);
    if (place !== undefined) {
      const { directories } = at(place);
      if (!directories.includes(own)) directories.push(own);
      continue;
    }
    const [holder, name] = placeToAdd(host, path);
    if (holder === '/') throw nowhereToLay(`/${name}`);
    const inImage = resolveInRoot(image, `${holder}/${name}`);
    at(holder).names.set(name, image + (inImage ?? own));
  }
  return [...laid.keys()].sort().map((path) => ({ path, links: linksOf(path, at(path), request) }));
}

const programNames = /^(s?bin|lib\w*)$/;

/** The image's directories of programs and libraries: bin, sbin, lib… in the usual places, and its PATH. */
function pathsOfPrograms({ image, searchPath, host }: ProgramDirectoryRequest): readonly string[] {
  const usual = ['/usr', '/usr/local', ''].flatMap((base) => {
    const directory = directoryIn(image, base || '/');
    const names = directory === undefined ? [] : readdirSync(image + directory);
    return names.filter((name) => programNames.test(name)).map((name) => `${base}/${name}`);
  });
  const fromPath = searchPath
    .split(':')
    .filter((path) => path.startsWith('/') && directoryIn(host, path) !== undefined);
  return [...new Set([...usual, ...fromPath])].filter((path) => {
    const own = directoryIn(image, path);
    return own !== undefined && own !== '/' && hasFiles(image + own);
  });
}

function hasFiles(directory: string): boolean {
  return readdirSync(directory, { withFileTypes: true }).some(
    (entry) => !entry.isDirectory() || hasFiles(`${directory}/${entry.name}`),
  );
}

/** @returns undefined for what is no directory there. */
function directoryIn(root: string, path: string): string | undefined {
  const resolved = resolveInRoot(root, path);
  return resolved !== undefined && lstatSync(root + resolved).isDirectory() ? resolved : undefined;
}

/** The innermost directory above `path` that the host has, and the name that is missing in it. */
function placeToAdd(host: string, path: string): readonly [holder: string, name: string] {
  const parent = dirname(path);
  const holder = directoryIn(host, parent);
  return holder === undefined ? placeToAdd(host, parent) : [holder, path.slice(path.lastIndexOf('/') + 1)];
}

function linksOf(path: string, laid: Laid, request: ProgramDirectoryRequest): ReadonlyMap<string, string> {
  const { image, hostView, hostPaths, host } = request;
  const links = new Map(laid.names);
  for (const directory of laid.directories)
    for (const name of readdirSync(image + directory))
      if (!links.has(name)) links.set(name, ownFile(image, `${directory}/${name}`));
  for (const name of readdirSync(host + path)) {
    const own = path === '/' ? `/${name}` : `${path}/${name}`;
    const isHosts = hostPaths.some((other) => isAtOrBelow(other, own));
    if (isHosts || (!links.has(name) && !isForLoader(host + own))) links.set(name, hostView + own);
  }
  return links;
}

/** Followed to its end in the image, whose /etc/alternatives, for one, nobody sees. */
function ownFile(image: string, path: string): string {
  const resolved = resolveInRoot(image, path);
  return resolved === undefined ? readlinkSync(image + path) : image + resolved;
}

/**
 * What the image's ld.so would take for its own where the host's ld.so.cache names it: another glibc's library does not
 * work with it. Libraries that lie beside programs, such as systemd's, are none of these.
 */
function isForLoader(path: string): boolean {
  return /\.so(\.[0-9.]+)?$/.test(path) || existsSync(`${path}/libc.so.6`);
}

function nowhereToLay(path: string): MounterError {
  return new MounterError('the image has programs or libraries there, and this host no such directory', {
    subject: path,
    status: exitCode.system,
    hint: `mkdir ${path}, an empty directory on which the image's is laid for the kubelet alone`,
  });
}
