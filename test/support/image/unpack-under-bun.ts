import { readFileSync } from 'node:fs';
import { unpackImage } from '../../../src/image/layers/unpack-image.ts';
import { imageOf, layerOf } from './unpack-place.ts';

/** Run by bun, as the executable is: `unpack-under-bun.ts ROOT LAYER…`, the lowest first, of any compression. */
const [root = '', ...files] = process.argv.slice(2);
const layers = files.map((file) => layerOf(readFileSync(file)));
await unpackImage(imageOf(...layers), root);
