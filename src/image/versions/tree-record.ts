import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import * as v from 'valibot';
import { glusterfsOf } from '../../guard/place.ts';
import { elfFault } from '../../host/elf.ts';
import { fileStateOf } from '../../host/file-state.ts';
import { resolveInRoot } from '../../host/path-in-root.ts';
import { writeAtomically } from '../../host/replace.ts';
import { orUndefined } from '../../host/shared-file-host.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { guardedProgram } from '../../rootfs/guarded-program.ts';
import { isAtOrBelow } from '../../rootfs/root-processes.ts';

/**
 * What the tree of a version was when it had been unpacked and tried. It lies in the tree, so that both get their name
 * by one rename. Whether the tree still is so takes no more than reading it: some 40 ms for a rootfs of 30 MB.
 */

export const treeRecordFile = '/.mounter-tree.json';

const number = v.number();
const entrySchema = v.strictObject({
  /** As the rootfs names it; '' is its root directory. */
  path: v.string(),
  kind: v.picklist(['directory', 'file', 'link']),
  mode: number,
  uid: number,
  gid: number,
  /** The sha256 of a file, the target of a link; '' for a directory. */
  content: v.string(),
});
export type TreeEntry = v.InferOutput<typeof entrySchema>;
const recordSchema = v.object({ formatVersion: v.literal(1), entries: v.array(entrySchema) });

/** kubelet's, and those that a node may have copied from the host: of the image's nothing is expected to stay. */
const ofTheNode =
  /^\/etc\/(resolv\.conf|hosts|host\.conf|gai\.conf|nfs(mount)?\.conf)(\.|$)|^\/\.mounter-(namespace|node-files)/;

/** Writes down what the tree is. Of devices, sockets and pipes nothing is written. */
export async function writeTreeRecord(root: string): Promise<void> {
  // An image may bring anything under these names.
  for (const name of [treeRecordFile, `${treeRecordFile}.new`])
    rmSync(root + name, { recursive: true, force: true });
  const entries: TreeEntry[] = [];
  for (const path of pathsBelow(root)) entries.push(...(await entryOf(root, path)));
  writeAtomically(root + treeRecordFile, JSON.stringify({ formatVersion: 1, entries }), 0o644);
}

/** Of a tree, without a look into its files. */
export interface TreeState {
  /** Another one whenever a file, or what a directory holds, has become another: whatever is written changes ctime. */
  readonly text: string;
  /** When the last of its files was written, in ms since 1970. */
  readonly changedMs: number;
}

/**
 * @param isLeftOut for what is not of the tree, such as a mount point; nor is what a node writes into its rootfs.
 * @throws like node:fs, where somebody is at work in it.
 */
export function stateOfTree(root: string, isLeftOut: (path: string) => boolean): TreeState {
  let changedNs = 0n;
  const lines = pathsBelow(root, isLeftOut).map((path) => {
    const status = lstatSync(root + path, { bigint: true });
    // A directory is what its names are: a node's own files come and go in it.
    if (status.isDirectory())
      return `${path} ${fileStateOf({ ...status, size: 0n, mtimeNs: 0n, ctimeNs: 0n })}`;
    if (status.ctimeNs > changedNs) changedNs = status.ctimeNs;
    return `${path} ${fileStateOf(status)}`;
  });
  return { text: lines.join('\n'), changedMs: Number(changedNs / 1_000_000n) };
}

/** @returns undefined where there is none, or it is damaged. */
export function readTreeRecord(root: string): readonly TreeEntry[] | undefined {
  try {
    const result = v.safeParse(recordSchema, JSON.parse(readFileSync(root + treeRecordFile, 'utf8')));
    return result.success ? result.output.entries : undefined;
  } catch {
    return undefined;
  }
}

export interface Difference {
  readonly entry: TreeEntry;
  readonly isMissing: boolean;
}

/**
 * What of the image's own is not there any more as it was, parents first. What lies below the manifest's mount points is
 * not looked at, nor what a node writes into its rootfs; the guard may be of another version. What came in addition
 * counts for nothing.
 * @param entries of this tree's record, or of another one of the same image.
 * @param isInTime whether there is time to read one more file: else it is asked for its name and mode alone.
 */
export async function differencesFrom(
  entries: readonly TreeEntry[],
  root: string,
  { mounts, daemons }: Pick<Manifest, 'mounts' | 'daemons'>,
  isInTime = () => true,
): Promise<readonly Difference[]> {
  const points = [...mounts.mounter.map(({ rootfs }) => rootfs), daemons.startStatd];
  const guard = wholeGuard(root);
  // The link is the guard's part: a mount refuses to do without it, and `prepare` makes it.
  const isOwn = ({ path }: TreeEntry) =>
    ![guard, guardedProgram].includes(path) && !points.some((point) => isAtOrBelow(path, point));
  const looked = entries.filter(isOwn);
  const differences: Difference[] = [];
  for (let first = 0; first < looked.length; first += atOnce) {
    const compared = looked.slice(first, first + atOnce).map(async (entry) => {
      const [now] = await entryOf(root, entry.path, isInTime() ? undefined : entry.content);
      return now !== undefined && isSame(now, entry) ? [] : [{ entry, isMissing: now === undefined }];
    });
    differences.push(...(await Promise.all(compared)).flat());
  }
  return differences;
}

/** So many files are read at a time: on a node under load each step of one waits for its turn. */
const atOnce = 16;

/** Where the guard is, of whatever version: `prepare` lays that of its executable over it. */
function wholeGuard(root: string): string | undefined {
  const program = glusterfsOf(root);
  if (program === undefined || resolveInRoot(root, guardedProgram) === undefined) return undefined;
  const status = lstatSync(root + program);
  const isProgram = status.isFile() && status.size > 0 && (status.mode & 0o111) === 0o111;
  return isProgram && elfFault(root + program) === undefined ? program : undefined;
}

function isSame(one: TreeEntry, other: TreeEntry): boolean {
  return (Object.keys(other) as (keyof TreeEntry)[]).every((key) => one[key] === other[key]);
}

/** Depth first, each directory before what is in it. A name that is not UTF-8 is left out: no program asks for one. */
function pathsBelow(root: string, isLeftOut = (_path: string) => false, path = ''): readonly string[] {
  if (ofTheNode.test(path) || path.includes('\ufffd') || isLeftOut(path)) return [];
  if (!lstatSync(root + path).isDirectory()) return [path];
  return [
    path,
    ...readdirSync(root + path)
      .sort()
      .flatMap((name) => pathsBelow(root, isLeftOut, `${path}/${name}`)),
  ];
}

/**
 * @param digest of a file that is not to be read.
 * @returns nothing where there is nothing, or a device, a socket or a pipe.
 */
async function entryOf(root: string, path: string, digest?: string): Promise<readonly TreeEntry[]> {
  const status = orUndefined(() => lstatSync(root + path));
  if (status === undefined) return [];
  const { uid, gid } = status;
  const own = { path, uid, gid };
  if (status.isSymbolicLink()) return [{ ...own, kind: 'link', mode: 0, content: readlinkSync(root + path) }];
  const mode = status.mode & 0o7777;
  if (status.isDirectory()) return [{ ...own, kind: 'directory', mode, content: '' }];
  if (!status.isFile()) return [];
  return [{ ...own, kind: 'file', mode, content: digest ?? (await digestOfFile(root + path)) }];
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(1 << 18);
  try {
    await using file = await open(path, 'r');
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') return 'the disk does not give it';
    throw error;
  }
}
