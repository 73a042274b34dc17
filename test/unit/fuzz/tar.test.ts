import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import { fuzz, orMounterError } from '../../support/fuzz.ts';
import {
  directory,
  entryBytes,
  file,
  link,
  longBytes,
  paxBytes,
  symlink,
  tarBytes,
} from '../../support/image/tar-bytes.ts';
import { layerOf, UnpackPlace } from '../../support/image/unpack-place.ts';

const name = fc.constantFrom(
  'a',
  'a/b',
  'd',
  'd/e/f',
  'l',
  'l/x',
  '../outside/secret',
  '/etc/x',
  'd/../../outside/x',
  '.wh.a',
  'd/.wh..wh..opq',
  '.',
  './a',
  'é',
  'x'.repeat(120),
  '',
);
const destination = fc.constantFrom(
  'a',
  'd',
  '../outside',
  '../outside/secret',
  '/',
  '.',
  '..',
  'l',
  '/etc',
  '',
);
const entry: fc.Arbitrary<Buffer> = fc.oneof(
  fc.tuple(name, fc.nat(2000)).map(([path, size]) => entryBytes(file(path, 'x'.repeat(size)))),
  name.map((path) => entryBytes(directory(path))),
  fc.tuple(name, destination).map(([path, to]) => entryBytes(symlink(path, to))),
  fc.tuple(name, destination).map(([path, to]) => entryBytes(link(path, to))),
  fc
    .tuple(
      fc.constantFrom('path', 'linkpath', 'size', 'mtime', 'GNU.sparse.map', 'SCHILY.xattr.user.x', 'uid'),
      fc.oneof(name, fc.constantFrom('-1', '1e99', '99999999999999999999')),
    )
    .map(([key, text]) => paxBytes('x', [[key, text]])),
  fc.tuple(fc.constantFrom<('L' | 'K')[]>('L', 'K'), name).map(([type, text]) => longBytes(type, text)),
);

/** A symlink, and something below it: written through it, where it leads would be outside. */
const through: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom('l', 'd/l', 'a'),
    destination,
    fc.constantFrom('', '/x', '/secret', '/../x', '/.wh.secret', '/.wh..wh..opq'),
    fc.constantFrom('file', 'directory', 'symlink', 'link'),
  )
  .map(([path, to, below, kind]) => {
    const at = `${path}${below}`;
    const next = {
      file: file(at, 'x'),
      directory: directory(at),
      symlink: symlink(at, to),
      link: link('h', at),
    }[kind];
    return Buffer.concat([entryBytes(symlink(path, to)), entryBytes(next)]);
  });

/** Sizes as no writer writes them: -1, -512 and 2^88 in base 256. */
const oddSize: fc.Arbitrary<Buffer> = fc
  .constantFrom('ff'.repeat(12), `${'ff'.repeat(10)}fe00`, `80${'01'.repeat(11)}`)
  .map((hex) => {
    const bytes = entryBytes(file('a', 'x'.repeat(600)));
    bytes.write(hex, 124, 'hex');
    return mendChecksum(bytes, 0);
  });

/** Bits flipped, bytes overwritten, pieces cut out or doubled: with its checksum mended now and then. */
const damage = fc.array(
  fc.tuple(fc.constantFrom('set', 'cut', 'double', 'mend'), fc.nat(), fc.integer({ min: 0, max: 255 })),
  { maxLength: 6 },
);

function damaged(archive: Buffer, changes: readonly (readonly [string, number, number])[]): Buffer {
  return changes.reduce<Buffer>((bytes, [kind, pick, value]) => {
    const at = bytes.length === 0 ? 0 : pick % bytes.length;
    switch (kind) {
      case 'set':
        bytes[at] = value;
        return bytes;
      case 'cut':
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + value)]);
      case 'double':
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 512))]);
      default:
        return mendChecksum(bytes, at - (at % 512));
    }
  }, Buffer.from(archive));
}

/** So that what else is wrong in the header is read. */
function mendChecksum(bytes: Buffer, at: number): Buffer {
  if (at + 512 > bytes.length) return bytes;
  bytes.fill(' ', at + 148, at + 156);
  const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  return bytes;
}

for (const [title, pack] of [
  ['plain', (bytes: Buffer) => bytes],
  ['gzip', (bytes: Buffer) => gzipSync(bytes, { level: 1 })],
  ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
] as const) {
  test.serial(`any ${title} layer is unpacked or refused, and nothing outside is touched`, async (t) => {
    await fuzz(
      t,
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 4, arbitrary: entry }, { weight: 2, arbitrary: through }, oddSize), {
          maxLength: 6,
        }),
        damage,
        fc.boolean(),
        async (entries, changes, isOfPacked) => {
          using place = new UnpackPlace();
          const archive = Buffer.concat([...entries, tarBytes()]);
          const bytes = isOfPacked ? damaged(pack(archive), changes) : pack(damaged(archive, changes));
          const result = await orMounterError(() => place.unpackLayers([layerOf(bytes)]));
          return place.isOutsideUntouched() && (result === undefined || result instanceof MounterError);
        },
      ),
    );
  });
}
