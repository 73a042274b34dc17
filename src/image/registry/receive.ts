import { hintOf, isErrnoException } from '../../host/system-error.ts';
import { sourceError } from '../content.ts';
import { layerLimits, tooLarge } from '../layers/limits.ts';
import { type Attempt, failure, networkFailure } from './failure.ts';
import type { HttpResponse } from './http.ts';
import type { PartialFile } from './partial-file.ts';
import { Transient } from './retry.ts';

export interface Receiving {
  readonly file: PartialFile;
  /** Undefined when nobody has said it yet. */
  readonly size: number | undefined;
  readonly attempt: Attempt;
  readonly onBytes: (bytes: number, size: number | undefined) => void;
}

/** Headers that ask for the rest of the file only. */
export function rangeHeaders(file: PartialFile): Record<string, string> {
  return file.bytes === 0 ? {} : { range: `bytes=${file.bytes}-` };
}

/**
 * Appends the body to the file; starts again where the server sends it all.
 * @returns the size of the whole, when the body ended as it should.
 * @throws Transient when it breaks off, MounterError when it cannot be right.
 */
export async function receive(response: HttpResponse, receiving: Receiving): Promise<number> {
  const { file, attempt } = receiving;
  const before = file.bytes;
  // A server that sends one byte each time would be asked again and again, for an hour.
  const hasProgressed = () => file.bytes - before >= response.patience.leastBytes;
  try {
    const total = await beginBody(response, receiving);
    const size = receiving.size ?? total;
    if (size !== undefined && size > layerLimits.bytes) throw failure(attempt, ...tooLarge('has', size));
    await appendBody(response, receiving, size, hasProgressed);
    if (size === undefined || file.bytes === size) return file.bytes;
    const message = `the blob ended after ${file.bytes} of ${size} bytes`;
    const hint = `look at ${attempt.host}, then run the same command again`;
    throw new Transient(failure(attempt, message, hint), 0, hasProgressed());
  } finally {
    response.discard();
  }
}

async function beginBody(
  response: HttpResponse,
  { file, size, attempt }: Receiving,
): Promise<number | undefined> {
  const range = bodyRange(response.status, response.headers);
  if (range?.start !== file.bytes) await file.restart();
  if (range === undefined || (range.start !== 0 && range.start !== file.bytes)) {
    const hint = `look at what runs on ${attempt.host}`;
    throw new Transient(failure(attempt, 'does not send the part that was asked for', hint));
  }
  if (size !== undefined && range.total !== undefined && range.total !== size)
    throw failure(
      attempt,
      `has ${range.total} bytes where the manifest says ${size}`,
      'push the image again',
    );
  return range.total;
}

async function appendBody(
  response: HttpResponse,
  { file, attempt, onBytes }: Receiving,
  size: number | undefined,
  hasProgressed: () => boolean,
): Promise<void> {
  const body = response[Symbol.asyncIterator]();
  for (;;) {
    const next = await body.next().catch((error) => {
      throw networkFailure(error, attempt, hasProgressed());
    });
    if (next.done) return;
    const received = file.bytes + next.value.length;
    if (size === undefined && received > layerLimits.bytes)
      throw failure(attempt, ...tooLarge('sends at least', received));
    if (size !== undefined && received > size)
      throw failure(attempt, `sends more than ${size} bytes`, 'push the image again');
    await file.append(next.value).catch((error) => {
      throw diskFailure(error, attempt);
    });
    onBytes(file.bytes, size);
  }
}

/** A failure of our own disk becomes a final error: no further try would mend it. Others are returned as they are. */
export function diskFailure(error: unknown, { reference, what }: Omit<Attempt, 'host'>): unknown {
  if (!isErrnoException(error)) return error;
  const hint = hintOf(error.code ?? '') ?? 'look at the disk with the versions';
  const place = error.path === undefined ? '' : `${error.path}: `;
  const message = `${what}: ${place}${error.message}`;
  return sourceError(reference, message, hint, error);
}

/**
 * Where in the whole the body of an answer to a Range request begins.
 * @param headers of a 200, which has it all, or of a 206: `Content-Range: bytes 500-999/1000`.
 * @returns the first byte, and the size of the whole where it is said; undefined for an answer that says
 *   something else. @see RFC 9110, 14.4
 */
export function bodyRange(
  status: number,
  headers: { readonly 'content-range'?: string | undefined; readonly 'content-length'?: string | undefined },
): { readonly start: number; readonly total: number | undefined } | undefined {
  const length = headers['content-length'];
  if (status === 200) return { start: 0, total: length === undefined ? undefined : Number(length) };
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (status !== 206 || match === null) return undefined;
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}
