import test from 'ava';
import { layerLimits } from '../../../../src/image/layers/limits.ts';
import type { HttpResponse } from '../../../../src/image/registry/http.ts';
import type { PartialFile } from '../../../../src/image/registry/partial-file.ts';
import { receive } from '../../../../src/image/registry/receive.ts';

const most = layerLimits.bytes;

/** As much is there as an image may have; the server sends one byte more. */
function receiveOneMore(size: number | undefined): Promise<number> {
  const appended: Buffer[] = [];
  const file = { bytes: most, append: async (chunk: Buffer) => void appended.push(chunk) };
  const response = {
    status: 206,
    headers: { 'content-range': `bytes ${most}-${most}/*` },
    patience: { leastBytes: 1 },
    discard: () => {},
    async *[Symbol.asyncIterator]() {
      yield Buffer.of(0);
    },
  };
  return receive(response as unknown as HttpResponse, {
    file: file as unknown as PartialFile,
    size,
    attempt: { reference: 'registry.example/tools', what: 'the layer', host: 'registry.example' },
    onBytes: () => {},
  }).finally(() => {
    if (appended.length > 0) throw new Error('it was written');
  });
}

for (const [size, says] of [
  [undefined, new RegExp(`sends at least ${most + 1} bytes, and ${most} are the most$`)],
  [most, new RegExp(`sends more than ${most} bytes$`)],
] as const)
  test(`a byte more than there may be, of ${size ?? 'an unknown size'}: not written`, async (t) => {
    await t.throwsAsync(receiveOneMore(size), { message: says });
  });
