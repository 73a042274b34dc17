import { type PaxRecord, paxNumber, paxTime } from './pax.ts';
import type { Segment } from './sparse.ts';
import { TarError, type TarHeader, type Timestamp } from './tar-header.ts';

export type EntryKind =
  | 'file'
  | 'hardLink'
  | 'symlink'
  | 'characterDevice'
  | 'blockDevice'
  | 'directory'
  | 'fifo';

/** An entry with all that went before it applied. Names, targets and xattrs are byte strings. */
export interface TarEntry {
  readonly kind: EntryKind;
  readonly name: string;
  readonly linkname: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly major: number;
  readonly minor: number;
  /** Size of the file once it is unpacked, holes included. */
  readonly size: number;
  /** Where the content that follows belongs; undefined: at the start, all of it. */
  readonly segments: readonly Segment[] | undefined;
  readonly xattrs: readonly (readonly [name: string, value: string])[];
}

/** What headers before an entry say about it. */
export interface Prelude {
  /** The archive's global PAX records, then the entry's own; the last of a key counts. */
  readonly pax: readonly PaxRecord[];
  /** GNU's long names. */
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

const kinds: Readonly<Record<string, EntryKind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardLink',
  '2': 'symlink',
  '3': 'characterDevice',
  '4': 'blockDevice',
  '5': 'directory',
  '6': 'fifo',
  // Contiguous files are files; S is GNU's sparse one.
  '7': 'file',
  S: 'file',
};

const xattrPrefix = 'SCHILY.xattr.';

/** PATH_MAX: the kernel takes no longer one. */
const longestName = 4096;

/** @throws TarError when it is of a kind that tar(5) does not name. */
export function entryOf(header: TarHeader, prelude: Prelude): TarEntry {
  const records = new Map(prelude.pax);
  // An empty value means: as if it had not been said (POSIX).
  const said = (key: string) => records.get(key) || undefined;
  const number = (key: string, value: number) => {
    const text = said(key);
    return text === undefined ? value : paxNumber(text);
  };
  const name = said('GNU.sparse.name') ?? said('path') ?? prelude.longName ?? header.name;
  const linkname = said('linkpath') ?? prelude.longLink ?? header.linkname;
  if (Math.max(name.length, linkname.length) > longestName)
    throw new TarError(`an entry has a name of more than ${longestName} bytes`);
  const mtime = said('mtime');
  return {
    kind: kindOf(header.typeflag, name),
    name,
    linkname,
    mode: header.mode,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtime: mtime === undefined ? header.mtime : paxTime(mtime),
    major: header.major,
    minor: header.minor,
    size: number('size', header.size),
    segments: undefined,
    xattrs: [...records].flatMap(([key, value]) =>
      key.startsWith(xattrPrefix) ? [[key.slice(xattrPrefix.length), value] as const] : [],
    ),
  };
}

/** A slash at its end made a file a directory before tar had a letter for it. */
function kindOf(typeflag: string, name: string): EntryKind {
  const kind = kinds[typeflag];
  if (kind === undefined) throw new TarError(`an entry is of a kind that tar(5) does not name: ${typeflag}`);
  return (typeflag === '0' || typeflag === '\0') && name.endsWith('/') ? 'directory' : kind;
}
