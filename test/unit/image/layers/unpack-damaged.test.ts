import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { type LayerLimits, layerLimits } from '../../../../src/image/layers/limits.ts';
import {
  directory,
  type EntryBytes,
  entryBytes,
  file,
  paxBytes,
  symlink,
  tarBytes,
} from '../../../support/image/tar-bytes.ts';
import { digestOf, layerOf, reference, UnpackPlace } from '../../../support/image/unpack-place.ts';

const plain = tarBytes(file('a', 'A'.repeat(3000)), file('b'));
const [gzip, zstd] = [gzipSync(plain), zstdCompressSync(plain)];

const understood: readonly (readonly [title: string, bytes: Buffer])[] = [
  ['uncompressed', plain],
  ['gzip', gzip],
  ['zstd', zstd],
  ['two gzip members', Buffer.concat([gzipSync(plain.subarray(0, 700)), gzipSync(plain.subarray(700))])],
  // Several zstd frames: Node 26 loses what follows the first in one piece, bun does not; see the system tests.
  ['no blocks of zeros at the end', plain.subarray(0, -1024)],
  ['more zeros at the end', Buffer.concat([plain, Buffer.alloc(9216)])],
];
for (const [title, bytes] of understood) {
  for (const pieceSize of [1, 1000, 65536]) {
    test(`unpacked: ${title}, in pieces of ${pieceSize}`, async (t) => {
      using place = new UnpackPlace();
      const more = title.startsWith('more') ? bytes : title.startsWith('no blocks') ? bytes : plain;
      await place.unpackLayers([layerOf(bytes, { diffId: digestOf(more) }, pieceSize)]);
      t.deepEqual(place.names(), ['a', 'b']);
      t.is(place.read('a').length, 3000);
    });
  }
}

const other = `sha256:${'0'.repeat(64)}`;
const pax = (text: string) => Buffer.concat([entryBytes({ name: 'x', type: 'x', content: text }), plain]);
const broken = Buffer.from(plain);
broken[3] = 1;
const refused: readonly (readonly [title: string, bytes: Buffer, says: RegExp])[] = [
  ['garbage', Buffer.alloc(5000, 'x'), /damaged/],
  ['gzip garbage', Buffer.concat([Buffer.from('1f8b0800', 'hex'), Buffer.alloc(5000, 'x')]), /damaged/],
  ['zstd garbage', Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(5000, 'x')]), /damaged/],
  ['a wrong checksum', broken, /a header is damaged/],
  ['an impossible size', tarBytes(file('a', '', { fields: { 124: '\xff'.repeat(12) } })), /impossible size/],
  [
    'a size past 2^53',
    tarBytes(file('a', '', { fields: { 124: `\x80${'\x7f'.repeat(11)}` } })),
    /impossible size/,
  ],
  ['an invalid number', tarBytes(file('a', '', { fields: { 124: '00000000009\0' } })), /invalid number/],
  [
    'one block of zeros in the middle',
    Buffer.concat([entryBytes(file('a')), Buffer.alloc(512), plain]),
    /zeros stands between/,
  ],
  ['a PAX length of zero', pax('0 a=b\n'), /PAX header is damaged/],
  ['a PAX length past the end', pax('999 a=b\n'), /PAX header is damaged/],
  ['a PAX record without =', pax('6 abc\n'), /PAX header is damaged/],
  ['a PAX record without end', pax('6 a=bc'), /PAX header is damaged/],
  ['an invalid PAX time', Buffer.concat([paxBytes('x', [['mtime', 'soon']]), plain]), /invalid time/],
  ['a PAX size that is none', Buffer.concat([paxBytes('x', [['size', '-1']]), plain]), /invalid number/],
  ['a PAX header of 2 MiB', pax('x'.repeat(2 * 1024 * 1024)), /too long/],
  ['a PAX header of nothing', paxBytes('x', [['path', 'a']]), /middle of an entry/],
];
for (const [title, bytes, message] of refused) {
  test(`refused: ${title}`, async (t) => {
    using place = new UnpackPlace();
    const layer = layerOf(bytes);
    const error = await t.throwsAsync(place.unpackLayers([layer]), { instanceOf: MounterError, message });
    const { subject, status, hint } = error as MounterError;
    t.deepEqual([subject, status], [reference, 2]);
    t.truthy(hint);
    t.true(error?.message.startsWith(`layer ${layer.digest}: `));
  });
}

test('cut anywhere, it fails, in every compression', async (t) => {
  const all = [
    [plain, [1, 511, 513, 2000, 3500, 3584 + 100]],
    [gzip, [3, 10, 50, gzip.length - 9, gzip.length - 1]],
    [zstd, [3, 10, 30, zstd.length - 4]],
  ] as const;
  for (const [bytes, lengths] of all)
    for (const length of lengths) {
      using place = new UnpackPlace();
      const layer = layerOf(bytes.subarray(0, length));
      await t.throwsAsync(
        place.unpackLayers([layer]),
        { instanceOf: MounterError },
        `${bytes.subarray(0, 4).toString('hex')} ${length}`,
      );
    }
});

test('a wrong diffId is refused, with both digests', async (t) => {
  using place = new UnpackPlace();
  const layer = layerOf(gzip, { diffId: other });
  await t.throwsAsync(place.unpackLayers([layer]), {
    message: new RegExp(`uncompressed digest is ${digestOf(plain)}, but .* says ${other}`),
  });
});

test('a bomb is stopped at the limit of bytes, over all layers, before it is on the disk', async (t) => {
  using place = new UnpackPlace();
  const bomb = gzipSync(tarBytes(file('bomb', '\0'.repeat(50_000_000))));
  const layers = [layerOf(plain), layerOf(bomb)];
  await t.throwsAsync(place.unpackLayers(layers, { ...layerLimits, bytes: 10_000_000 }), {
    message: /unpacks to more than 10000000 bytes/,
  });
  t.true(place.read('bomb').length <= 10_000_000);
});

test('zeros without end after the end of the archive are a bomb too', async (t) => {
  using place = new UnpackPlace();
  const zeros = gzipSync(Buffer.concat([plain, Buffer.alloc(50_000_000)]));
  const layer = layerOf(zeros);
  await t.throwsAsync(place.unpackLayers([layer], { ...layerLimits, bytes: 10_000_000 }), {
    message: /unpacks to/,
  });
});

test('a bomb of entries is stopped at the limit', async (t) => {
  using place = new UnpackPlace();
  const entries = Array.from({ length: 30 }, (_, n) => file(String(n)));
  const layers = [layerOf(tarBytes(...entries.slice(0, 15))), layerOf(tarBytes(...entries.slice(15)))];
  await t.throwsAsync(place.unpackLayers(layers, { ...layerLimits, entries: 20 }), {
    message: /more than 20 entries/,
  });
  t.is(place.names().length, 20);
});

const hole = file('hole', '', { pax: [['GNU.sparse.size', '1000000000000']] });
const labelled = directory('labelled', 0o755, { pax: [['SCHILY.xattr.trusted.x', 'x'.repeat(2000)]] });
const ofNames = { ...layerLimits, textBytes: 1000 };

const bombs: readonly (readonly [title: string, entry: EntryBytes, limits: LayerLimits, says: RegExp])[] = [
  ['a hole of a terabyte', hole, layerLimits, /unpacks to more than 17179869184 bytes$/],
  ['names', file('a/'.repeat(600)), ofNames, /unpacks to more than 1000 bytes of names/],
  ['targets of links', symlink('a', 'x'.repeat(1200)), ofNames, /unpacks to more than 1000 bytes of names/],
  ['attributes that are not set', labelled, ofNames, /unpacks to more than 1000 bytes of names/],
];
for (const [title, entry, limits, message] of bombs) {
  test(`a bomb is stopped before anything of it is there: ${title}`, async (t) => {
    using place = new UnpackPlace();
    const long = {
      ...entry,
      pax: [['path', entry.name], ['linkpath', entry.linkname ?? ''], ...(entry.pax ?? [])] as const,
    };
    await t.throwsAsync(place.unpackLayers([layerOf(tarBytes(long))], limits), { message });
    t.deepEqual(place.names(), []);
  });
}

test('a map of holes without a line end is not read to its end', async (t) => {
  using place = new UnpackPlace();
  const pax = [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.realsize', '1'],
  ] as const;
  const begun = entryBytes(file('map', `9\n${'1'.repeat(1534)}`, { pax, size: 2 ** 32 }));
  await t.throwsAsync(place.unpackLayers([layerOf(begun)]), { message: /a sparse file has a damaged map/ });
});

test("a source that fails: its own error, if it names the image; the layer's otherwise", async (t) => {
  const failing = (error: Error) =>
    layerOf(plain, {
      open: async () =>
        Readable.from(
          (function* () {
            yield gzip.subarray(0, 100);
            throw error;
          })(),
        ),
    });
  const own = new MounterError('the registry is gone', { subject: reference, status: 2 });
  using place = new UnpackPlace();
  t.is(await t.throwsAsync(place.unpackLayers([failing(own)])), own);
  await t.throwsAsync(place.unpackLayers([failing(new Error('broke'))]), {
    message: /^layer sha256:.*broke/,
  });
});

test('the next layer is opened only when the one before is done', async (t) => {
  using place = new UnpackPlace();
  const opened: string[] = [];
  const layer = (name: string) =>
    layerOf(plain, {
      open: async () => {
        opened.push(`${name} ${place.names().length}`);
        return Readable.from([tarBytes(file(name))]);
      },
    });
  await place.unpackLayers([layer('x'), layer('y')]);
  t.deepEqual(opened, ['x 0', 'y 1']);
});
