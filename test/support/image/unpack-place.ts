import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ImageContent, Layer } from '../../../src/image/content.ts';
import type { LayerLimits } from '../../../src/image/layers/limits.ts';
import { unpackImage } from '../../../src/image/layers/unpack-image.ts';
import { programCalls } from './program-calls.ts';
import { type EntryBytes, tarBytes } from './tar-bytes.ts';

export const reference = 'registry.example/tools:v1';

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A layer of these bytes, in pieces of `pieceSize`. */
export function layerOf(bytes: Buffer, overrides: Partial<Layer> = {}, pieceSize = 65536): Layer {
  return {
    digest: digestOf(bytes),
    diffId: undefined,
    size: bytes.length,
    open: async () => Readable.from(pieces(bytes, pieceSize)),
    ...overrides,
  };
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function imageOf(...layers: readonly Layer[]): ImageContent {
  return { digest: digestOf(Buffer.alloc(0)), reference, layers, config: undefined };
}

/** node's own recursive readdir goes through symlinks. */
function namesBelow(top: string, prefix = ''): readonly string[] {
  return readdirSync(join(top, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = `${prefix}${entry.name}`;
    return entry.isDirectory() ? [name, ...namesBelow(top, `${name}/`)] : [name];
  });
}

/** A directory to unpack in, and beside it `outside`, which nothing may touch. */
export class UnpackPlace implements Disposable {
  readonly top = mkdtempSync(join(tmpdir(), 'unpack-test-'));
  readonly root = join(this.top, 'root');
  readonly outside = join(this.top, 'outside');
  readonly #before: readonly string[];

  constructor() {
    mkdirSync(this.root);
    mkdirSync(this.outside);
    writeFileSync(join(this.outside, 'secret'), 'untouched', { mode: 0o600 });
    this.#before = this.#state();
  }

  /** Unpacks an image, each layer made of its entries. */
  async unpack(...layers: readonly (readonly EntryBytes[])[]): Promise<void> {
    await this.unpackLayers(layers.map((entries) => layerOf(tarBytes(...entries))));
  }

  async unpackLayers(layers: readonly Layer[], limits?: LayerLimits): Promise<void> {
    await unpackImage(imageOf(...layers), this.root, limits, programCalls);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** Every path in the root. */
  names(): readonly string[] {
    return [...namesBelow(this.root)].sort();
  }

  isOutsideUntouched(): boolean {
    return JSON.stringify(this.#state()) === JSON.stringify(this.#before);
  }

  #state(): readonly string[] {
    const status = lstatSync(join(this.outside, 'secret'));
    const { mode, uid, nlink, size, mtimeMs, ctimeMs } = status;
    const now = [mode, uid, nlink, size, mtimeMs, ctimeMs].join(' ');
    return [...readdirSync(this.top), ...readdirSync(this.outside), now];
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}
