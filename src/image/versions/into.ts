import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host } from '../../host/host.ts';
import type { BareNode } from '../../node/node.ts';
import { removeTree } from '../../prepare/undo.ts';
import { type OpenedSource, openSource, type SourceOptions } from '../source.ts';
import { imageRecordPath, writeImageRecord } from './image-record.ts';
import { removeAtExit, stage } from './stage.ts';
import { requireSignedHere } from './wanted-signature.ts';

export interface Extracted {
  readonly digest: string;
  /** Other users can reach its set-user-ID programs, and what anybody can write to: its /tmp. */
  readonly isReachable: boolean;
}

/** An image to a directory of the operator's, and nothing else: no check, no version, no node. */
export interface ExtractRequest {
  readonly source: string;
  readonly fetch: Omit<SourceOptions, 'downloadDirectory'>;
  /** Absolute; it must not exist, or be empty. */
  readonly directory: string;
  /** As for an install. */
  readonly verifyKeys: readonly string[];
}

/**
 * Unpacks the image beside the directory and gives it its name when it is complete. Directories that are missing on
 * the way are root's alone.
 * @throws MounterError; the directory is then as it was.
 */
export async function extractInto(
  { source, fetch, directory, verifyKeys }: ExtractRequest,
  node: BareNode,
): Promise<Extracted> {
  const { host } = node;
  process.umask(0o022);
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  const target = join(realpathSync(dirname(directory)), basename(directory));
  removeAbandoned(target, host);
  refuseFilled(target);
  const downloadDirectory = unfinishedBeside(target, 'download');
  const unfinished = unfinishedBeside(target, 'tree');
  mkdirSync(downloadDirectory, { mode: 0o700 });
  removeAtExit(downloadDirectory);
  let opened: OpenedSource | undefined;
  try {
    opened = await openSource(source, { ...fetch, downloadDirectory });
    await requireSignedHere(opened.content, { fetch, verifyKeys }, node);
    await stage(opened.content, unfinished, async () => {}, fetch.progress);
    writeImageRecord(target, opened.content);
    moveTo(unfinished, target);
    return { digest: opened.content.digest, isReachable: isReachable(target) };
  } finally {
    await opened?.dispose();
    rmSync(downloadDirectory, { recursive: true, force: true });
  }
}

function refuseFilled(directory: string): void {
  const status = lstatSync(directory, { throwIfNoEntry: false });
  if (status === undefined) return;
  const isEmpty = status.isDirectory() && readdirSync(directory).length === 0;
  if (isEmpty) return;
  throw new MounterError(status.isDirectory() ? 'is not empty' : 'is there, and no directory', {
    subject: directory,
    status: exitCode.usage,
    hint: 'name a directory that is empty, or is not there yet',
  });
}

/** rename(2) takes an empty directory's place; what is mounted there stays, and gets the files. */
function moveTo(unfinished: string, directory: string): void {
  try {
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    rmSync(imageRecordPath(directory), { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EBUSY' && code !== 'EXDEV' && code !== 'ENOTEMPTY') throw error;
    throw new MounterError(code === 'ENOTEMPTY' ? 'is not empty any more' : 'is a mount point', {
      subject: directory,
      status: exitCode.usage,
      hint: `name a directory in it, such as ${directory}/rootfs`,
      cause: error,
    });
  }
}

const mark = '.unfinished-by-mounter-';

function unfinishedBeside(directory: string, purpose: string): string {
  return `${dirname(directory)}/.${basename(directory)}${mark}${purpose}-${process.pid}`;
}

/** Removes what a process that has ended was extracting to this very directory. */
function removeAbandoned(directory: string, host: Host): void {
  const prefix = `.${basename(directory)}${mark}`;
  for (const name of readdirSync(dirname(directory))) {
    const pid = name.startsWith(prefix) ? /-(\d+)$/.exec(name)?.[1] : undefined;
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    removeTree(`${dirname(directory)}/${name}`, host);
  }
}

/**
 * Whether users other than root can reach a directory. An image's own directory stays as open as the image has it:
 * what runs in it as another user begins all its ways there.
 * @param directory without symlinks.
 */
export function isReachable(directory: string): boolean {
  for (let above = dirname(directory); above !== '/'; above = dirname(above))
    if ((statSync(above).mode & 0o001) === 0) return false;
  return true;
}
