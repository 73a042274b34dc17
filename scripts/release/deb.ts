import { createHash } from 'node:crypto';
import { execa } from 'execa';
import { tarOf } from '../rootfs/archive.ts';
import { completeTree, type Entry, type FileEntry, textFile } from '../rootfs/entry.ts';

/** A Debian package, without Debian's tools: the same bytes on every machine. @see deb(5) */

export interface DebianPackage {
  /** Of the control file, in its order, without Installed-Size. */
  readonly fields: Readonly<Record<string, string>>;
  /** `postinst` and the like. */
  readonly scripts: Readonly<Record<string, string>>;
  /** What dpkg unpacks; paths relative to `/`. */
  readonly entries: readonly Entry[];
  /** Seconds since 1970, of everything in it. */
  readonly epoch: number;
}

/** @returns the file. */
export async function debOf(deb: DebianPackage): Promise<Buffer> {
  const { fields, scripts, entries, epoch } = deb;
  const control = Object.entries({ ...fields, 'Installed-Size': `${installedKib(entries)}` });
  const controlEntries = [
    textFile('control', control.map(([name, value]) => `${name}: ${value}\n`).join('')),
    textFile('md5sums', md5sumsOf(entries)),
    ...Object.entries(scripts).map(([name, text]) => ({ ...textFile(name, text), mode: 0o755 })),
  ];
  const members = {
    'debian-binary': Buffer.from('2.0\n'),
    'control.tar.xz': await xz(await treeOf(controlEntries, epoch)),
    'data.tar.xz': await xz(await treeOf(entries, epoch)),
  };
  return arOf(members, epoch);
}

/** A tar with names as dpkg has them: `./`, `./usr/`, `./usr/sbin/mounter`. */
function treeOf(entries: readonly Entry[], epoch: number): Promise<Buffer> {
  const tree = completeTree(entries.map((entry) => ({ ...entry, path: `./${entry.path}` })));
  const named = tree.map((entry) =>
    entry.kind === 'directory' ? { ...entry, path: `${entry.path}/` } : entry,
  );
  return tarOf(named, epoch);
}

/** By one thread: with more, the bytes depend on their number. -3 gives a thirtieth less, and takes three times as long. */
async function xz(bytes: Buffer): Promise<Buffer> {
  const argv = ['--stdout', '--threads=1', '-1'];
  const { stdout } = await execa('xz', argv, { input: bytes, encoding: 'buffer' });
  return Buffer.from(stdout);
}

/** As dpkg-gencontrol counts: each file in whole KiB, and one for everything else. */
function installedKib(entries: readonly Entry[]): number {
  return entries.reduce(
    (sum, entry) => sum + (entry.kind === 'file' ? Math.ceil(entry.content.length / 1024) : 1),
    0,
  );
}

/** For `dpkg --verify`: it knows no other digest. */
function md5sumsOf(entries: readonly Entry[]): string {
  const files = entries.filter((entry): entry is FileEntry => entry.kind === 'file');
  return files
    .map(({ path, content }) => `${createHash('md5').update(content).digest('hex')}  ${path}\n`)
    .join('');
}

/** @see ar(5) of BSD, the common format. */
function arOf(members: Readonly<Record<string, Buffer>>, epoch: number): Buffer {
  const parts = Object.entries(members).flatMap(([name, content]) => {
    const fields = [name.padEnd(16), `${epoch}`.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
    const header = `${fields.join('')}${`${content.length}`.padEnd(10)}\`\n`;
    return [Buffer.from(header), content, Buffer.from(content.length % 2 === 0 ? '' : '\n')];
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}
