import { createReadStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { digestOfAll, digitsOf, shortDigest } from '../digest.ts';
import { differs } from '../source/file-part.ts';
import type { ProgressEvent } from '../source/options.ts';
import type { Endpoint } from './endpoint.ts';
import { type Attempt, failure } from './failure.ts';
import { blobPrefix, PartialFile } from './partial-file.ts';
import { diskFailure, rangeHeaders, receive } from './receive.ts';

export interface Blob {
  readonly digest: string;
  readonly size: number;
}

export interface BlobRequest {
  readonly blob: Blob;
  readonly directory: string;
  readonly reference: string;
  readonly progress: (event: ProgressEvent) => void;
  /** Runs an action at the mirrors in order, then at the registry, as often as patience allows. */
  readonly anywhere: <T>(action: (endpoint: Endpoint) => Promise<T>) => Promise<T>;
}

/**
 * Brings a blob to the disk, complete and verified.
 * @returns its path.
 * @throws MounterError that names the layer; what came so far stays for another try.
 */
export async function fetchBlob(request: BlobRequest): Promise<string> {
  const { blob, directory, reference, progress } = request;
  const what = `the layer ${shortDigest(blob.digest)}`;
  const path = `${directory}/${blobPrefix}${digitsOf(blob.digest)}`;
  const isFromDisk = await isThere(path, blob);
  if (!isFromDisk) {
    try {
      await download(request, path, what);
    } catch (error) {
      throw diskFailure(error, { reference, what });
    }
  }
  progress({ kind: 'complete', blob: blob.digest, size: blob.size, isFromDisk });
  return path;
}

/** A killed run's; its disk may have lost some of it. */
async function isThere(path: string, { digest }: Blob): Promise<boolean> {
  if (!existsSync(path)) return false;
  if ((await digestOfAll(createReadStream(path))) === digest) return true;
  await rm(path, { force: true });
  return false;
}

async function download(request: BlobRequest, path: string, what: string): Promise<void> {
  const { blob, reference, anywhere } = request;
  const file = await PartialFile.open(`${path}.partial`, blob.size);
  // What another run or another host has begun may be damaged: then a wrong digest is no fault of this host's.
  let isMixed = file.bytes > 0;
  let beganAt: string | undefined;
  try {
    await anywhere(async (endpoint) => {
      isMixed ||= file.bytes > 0 && beganAt !== endpoint.host;
      if (file.bytes === 0) [isMixed, beganAt] = [false, endpoint.host];
      const attempt = { reference, what, host: endpoint.host };
      await fetchRest(endpoint, file, request, attempt);
      if (file.digest === blob.digest) return;
      await file.restart();
      if (isMixed) await fetchRest(endpoint, file, request, attempt);
      if (file.digest !== blob.digest) throw await wrongDigest(file, request, attempt);
    });
    await file.finish(path);
  } finally {
    await file.close();
  }
}

async function fetchRest(
  endpoint: Endpoint,
  file: PartialFile,
  { blob, progress }: BlobRequest,
  attempt: Attempt,
): Promise<void> {
  if (file.bytes === blob.size && file.bytes > 0) return;
  const { digest, size } = blob;
  // 416: it knows no such part; received as an answer that begins elsewhere.
  const response = await endpoint.get(`blobs/${digest}`, rangeHeaders(file), attempt, [200, 206, 416]);
  const onBytes = (bytes: number) => progress({ kind: 'received', blob: digest, bytes, size });
  await receive(response, { file, size, attempt, onBytes });
}

async function wrongDigest(
  file: PartialFile,
  { blob, reference }: BlobRequest,
  attempt: Attempt,
): Promise<Error> {
  const found = file.digest;
  await file.restart();
  const { message } = differs({ reference, ...blob }, `has the digest ${found}`);
  return failure(attempt, message, 'push the image again: what the registry holds is damaged');
}
