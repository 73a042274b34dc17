import type { Host } from './host.ts';

/** One line of /proc/self/mountinfo. */
export interface MountEntry {
  readonly mountId: number;
  readonly parentId: number;
  /** `major:minor` of the filesystem. */
  readonly device: string;
  /** The directory of the filesystem that is the root of this mount. */
  readonly root: string;
  readonly mountPoint: string;
  readonly mountOptions: readonly string[];
  /** The number of the peer group, when the mount is shared. */
  readonly peerGroup: number | undefined;
  /** The peer group it receives from, when it is a slave. */
  readonly master: number | undefined;
  /** It is private, and no recursive bind takes it along. */
  readonly isUnbindable: boolean;
  readonly fstype: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/**
 * The entries of mountinfo's `text`, in its order: of two on one mount point the later one is on top.
 *
 * ```
 * 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 * (1)(2)(3)   (4)   (5)      (6)      (7)   (8) (9)   (10)         (11)
 * ```
 * (1) mount id, (2) parent id, (3) major:minor, (4) root, (5) mount point, (6) options, (7) optional fields,
 * (8) separator, (9) filesystem type, (10) source, (11) super options. Lines that do not fit are left out.
 * @see proc_pid_mountinfo(5)
 */
export function parseMountinfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = parseLine(line);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** The mounts of this mount namespace, as `parseMountinfo` gives them. */
export function readMountinfo(host: Pick<Host, 'readText'>): readonly MountEntry[] {
  return parseMountinfo(host.readText('/proc/self/mountinfo') ?? '');
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [mountId, parentId, device, root, mountPoint, mountOptions] = fields;
  if (separator < 0 || !mountId || !parentId || !device || !root || !mountPoint || !mountOptions)
    return undefined;
  const optional = fields.slice(6, separator);
  return {
    mountId: Number(mountId),
    parentId: Number(parentId),
    device,
    root: unescapeField(root),
    mountPoint: unescapeField(mountPoint),
    mountOptions: mountOptions.split(','),
    peerGroup: tagged(optional, 'shared:'),
    master: tagged(optional, 'master:'),
    isUnbindable: optional.includes('unbindable'),
    fstype: unescapeField(fields[separator + 1] ?? ''),
    source: unescapeField(fields[separator + 2] ?? ''),
    superOptions: (fields[separator + 3] ?? '').split(','),
  };
}

function tagged(fields: readonly string[], tag: string): number | undefined {
  const field = fields.find((f) => f.startsWith(tag));
  return field === undefined ? undefined : Number(field.slice(tag.length));
}

/** The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits. */
function unescapeField(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount one sees at `mountPoint`: the topmost there. */
export function mountAt(entries: readonly MountEntry[], mountPoint: string): MountEntry | undefined {
  return entries.findLast((entry) => entry.mountPoint === mountPoint);
}

/** The same of mountinfo's `text`, of which no other line is read in full. */
export function topmostAt(text: string, mountPoint: string): MountEntry | undefined {
  const line = text
    .split('\n')
    .findLast((one) => unescapeField(one.split(' ', 5).at(-1) ?? '') === mountPoint);
  return line === undefined ? undefined : parseLine(line);
}

/** The mount of that id in mountinfo's `text`, of which no other line is read. */
export function mountOfId(text: string, mountId: number): MountEntry | undefined {
  const start = `\n${text}`.indexOf(`\n${mountId} `);
  const [line = ''] = start < 0 ? [] : text.slice(start).split('\n', 1);
  return parseLine(line);
}

/** The mounts strictly below `directory`. */
export function mountsBelow(entries: readonly MountEntry[], directory: string): readonly MountEntry[] {
  const prefix = directory === '/' ? '/' : `${directory}/`;
  return entries.filter((entry) => entry.mountPoint.startsWith(prefix) && entry.mountPoint !== directory);
}

/** The file below /sys that has the read-ahead of a filesystem, in KiB: of NFS and FUSE, which name it so. @param device `major:minor` */
export function readAheadFile(device: string): string {
  return `class/bdi/${device}/read_ahead_kb`;
}

/** `major:minor` of a device number as stat(2) gives it. @see makedev(3) */
export function majorMinor(device: number): string {
  const low = device % 2 ** 32;
  const major = (Math.floor(low / 2 ** 8) % 2 ** 12) + Math.floor(device / 2 ** 44) * 2 ** 12;
  const minor = (low % 2 ** 8) + Math.floor(low / 2 ** 20) * 2 ** 8;
  return `${major}:${minor}`;
}
