import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import { ensureInstalled } from '../../scripts/debian.ts';
import { repository } from '../../scripts/paths.ts';
import { entryBytes, file } from '../support/image/tar-bytes.ts';
import { inventory } from '../support/image/tree-inventory.ts';

/** Unpacking as the executable does it, under bun, beside GNU tar and umoci. */

await ensureInstalled(['tar', 'attr', 'umoci', 'libcap2-bin']);

class Bench implements Disposable {
  readonly top = mkdtempSync(join(tmpdir(), 'unpack-test-'));

  /** A new, empty directory. */
  directory(name: string): string {
    mkdirSync(join(this.top, name));
    return join(this.top, name);
  }

  async unpack(...layers: readonly string[]): Promise<string> {
    const root = this.directory('ours');
    const script = `${repository}/test/support/image/unpack-under-bun.ts`;
    await execa(`${repository}/node_modules/.bin/bun`, [script, root, ...layers]);
    return root;
  }

  async shell(script: string): Promise<void> {
    await execa('sh', ['-euc', script], { cwd: this.top });
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

/** One of everything that a tree can have. `$LONG` names are as long as the format takes. */
const everything = `
mkdir -p tree/usr/bin tree/usr/lib tree/empty tree/tmp tree/dev tree/var; cd tree
head -c 3000000 /dev/urandom >usr/bin/large
printf tool >usr/bin/tool; chown 107:65534 usr/bin/tool; chmod 6755 usr/bin/tool; ln usr/bin/tool usr/bin/alias
chmod 1777 tmp; chmod 0711 empty; chown 3000000000:1 empty 2>/dev/null || chown 7:7 empty
ln -s usr/bin bin; ln -s /usr/lib lib; ln -s /run var/run; ln bin other-name-of-a-symlink; chown -h 5:6 lib
mkdir $LONG; : >$LONG/$LONG; : >'with space, ünïcödé 🙂'; : >"$(printf 'no-utf8-\\377\\376')"; : >"$(printf 'new\\nline')"
mknod dev/null c 1 3; mknod dev/disk b 259 300; mkfifo dev/pipe; chmod 666 dev/null
: >usr/bin/capable; : >late; setcap cap_net_raw+ep usr/bin/capable
setfattr -n user.a -v 0x00ff0a3d usr/bin/tool; setfattr -n user.b -v '' empty
truncate -s 100M sparse; printf end | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none; truncate -s 1M hole
touch -d '2001-02-03 04:05:06.123456789 UTC' late; touch -h -d '1999-01-01 00:00:00.5 UTC' bin; touch -d @1 usr tmp`;

const long = (length: number) => `LONG=${'n'.repeat(length)}`;
const xattr = '--xattrs --xattrs-include=*';
const formats: Readonly<Record<string, readonly [longest: number, options: string]>> = {
  'GNU, sparse': [200, '--format=gnu --sparse'],
  'PAX, with xattrs': [200, `--format=pax ${xattr}`],
  'PAX, sparse 0.0': [200, `--format=pax --sparse --sparse-version=0.0 ${xattr}`],
  'PAX, sparse 0.1': [200, `--format=pax --sparse --sparse-version=0.1 ${xattr}`],
  'PAX, sparse 1.0': [200, `--format=pax --sparse --sparse-version=1.0 ${xattr}`],
  ustar: [80, '--format=ustar'],
  v7: [20, '--format=v7 --exclude=./dev'],
};
for (const [format, [longest, options]] of Object.entries(formats)) {
  test.serial(`the same tree as GNU tar makes: ${format}`, async (t) => {
    using bench = new Bench();
    // ustar and v7 have no room for large numbers.
    const ids = options.includes('ustar') || options.includes('v7') ? 'chown 7:7 tree/empty;' : '';
    await bench.shell(`${long(longest)}\n(${everything})\n${ids}
      tar ${options.replaceAll('*', "'*'")} -cf layer.tar -C tree .
      mkdir theirs; tar --xattrs --xattrs-include='*' --same-owner -xpf layer.tar -C theirs`);
    const ours = await bench.unpack(join(bench.top, 'layer.tar'));
    const theirs = await inventory(join(bench.top, 'theirs'));
    t.true(theirs.length > 20);
    t.deepEqual(await inventory(ours), theirs);
  });
}

/** Three layers, as a build makes them. `L` makes a layer of what is in the directory. */
const layers = `
L() { tar --format=pax ${xattr.replace('*', "'*'")} -cf ../$1.tar -C . .; }
mkdir two; (cd two; mkdir -p usr/bin usr/lib/new var/cache tmp dir2file empty; chmod 700 empty; : >usr/bin/.wh.tool
  mkdir -p dev; : >dev/.wh..wh..opq; : >dev/.wh.none; : >dev/zero; printf new >usr/bin/large; printf f >late2
  ln late2 late3; printf x >usr/lib/new/x; mkdir late; printf in >late/in; : >.wh.hole; touch -d @5 usr; L 2)
mkdir three; (cd three; printf tool2 >t; mkdir -p usr/bin; mv t usr/bin/tool; ln -s usr/bin dir2file; mkdir -p lib
  : >.wh.late; mkdir -p usr/lib; : >usr/lib/.wh.new; printf 1 >usr/lib/plain; setfattr -n user.z -v 1 usr/lib; L 3)`;

test.serial('the same tree as umoci makes of an image of three layers', async (t) => {
  using bench = new Bench();
  await bench.shell(`${long(200)}\n(${everything})\n
    tar --format=pax ${xattr.replace('*', "'*'")} -cf 1.tar -C tree .
    ${layers}
    umoci init --layout image; umoci new --image image:t
    for n in 1 2 3; do umoci raw add-layer --image image:t $n.tar; done
    umoci raw unpack --image image:t theirs`);
  const ours = await bench.unpack(...['1', '2', '3'].map((name) => join(bench.top, `${name}.tar`)));
  const theirs = await inventory(join(bench.top, 'theirs'));
  t.true(theirs.length > 20);
  t.deepEqual(await inventory(ours), theirs);
});

test.serial('gzip and zstd in several pieces, frames to be skipped among them', async (t) => {
  using bench = new Bench();
  const tar = Buffer.concat([entryBytes(file('a', 'A'.repeat(5000))), Buffer.alloc(1024)]);
  const halves = [tar.subarray(0, 2222), tar.subarray(2222)] as const;
  const skip = Buffer.from('502a4d1804000000abcdabcd', 'hex');
  const [first, second] = halves;
  const blobs = {
    gzip: Buffer.concat([gzipSync(first), gzipSync(second)]),
    zstd: Buffer.concat([skip, zstdCompressSync(first), skip, skip, zstdCompressSync(second), skip]),
  };
  for (const [name, bytes] of Object.entries(blobs)) {
    writeFileSync(join(bench.top, name), bytes);
    const root = await bench.unpack(join(bench.top, name));
    t.is(readFileSync(join(root, 'a'), 'utf8'), 'A'.repeat(5000), name);
    rmSync(root, { recursive: true });
  }
});
