import { sourceError } from '../content.ts';
import { basic } from '../registry/authorization.ts';
import { hostSettings } from '../registry/certs-d.ts';
import { type Attempt, networkFailure, statusFailure } from '../registry/failure.ts';
import { HttpClient } from '../registry/http-client.ts';
import { PartialFile, removeDownloads, sourcePrefix } from '../registry/partial-file.ts';
import { diskFailure, rangeHeaders, receive } from '../registry/receive.ts';
import { networkPatience, retrying } from '../registry/retry.ts';
import { openTar } from './local-image.ts';
import type { OpenedSource, SourceOptions } from './options.ts';

/**
 * A tar behind an http(s) URL, fetched to the download directory first. `https://user:password@host/…` logs
 * in there. Nothing says what it should be but `expectedDigest`: see to it that there is one, or TLS.
 */
export async function openUrl(word: string, options: SourceOptions): Promise<OpenedSource> {
  const url = new URL(word);
  const name = shownUrl(url);
  const { downloadDirectory } = options;
  const path = `${downloadDirectory}/${sourcePrefix}url`;
  const dispose = () => removeDownloads(downloadDirectory);
  try {
    await download(url, name, path, options);
    const opened = await openTar(path, name, options);
    return { content: opened.content, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Without what may be secret: a password, and the signature that a query may be. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function download(url: URL, name: string, path: string, options: SourceOptions): Promise<void> {
  const { progress, patience = networkPatience } = options;
  const http = new HttpClient(options).for(hostSettings(url.host));
  refusePlain(url, name, http);
  const file = await PartialFile.open(path, 0);
  try {
    const attempt = { reference: name, what: 'the download', host: url.host };
    const fetchRest = resumable(url, http, file, attempt, progress);
    const onRetry = (message: string) => progress({ kind: 'retry', message: `${name}: ${message}` });
    const size = await retrying(fetchRest, patience, new AbortController().signal, onRetry);
    progress({ kind: 'complete', blob: name, size, isFromDisk: false });
  } catch (error) {
    throw diskFailure(error, { reference: name, what: 'the download' });
  } finally {
    await file.close();
  }
}

/** A try that goes on where the last one broke off, if the file behind the URL is still the same one. */
function resumable(
  url: URL,
  http: HttpClient,
  file: PartialFile,
  attempt: Attempt,
  progress: SourceOptions['progress'],
): () => Promise<number> {
  let [validator, size]: [string | undefined, number | undefined] = [undefined, undefined];
  const authorization = url.username === '' ? undefined : userOf(url);
  return async () => {
    if (validator === undefined) await file.restart();
    if (file.bytes === 0) size = undefined;
    const resume = file.bytes > 0 && validator !== undefined ? { 'if-range': validator } : {};
    const headers = { ...rangeHeaders(file), ...resume, ...(authorization && { authorization }) };
    const response = await http.get(url, headers, new AbortController().signal).catch((error) => {
      throw networkFailure(error, attempt);
    });
    if (![200, 206, 416].includes(response.status))
      throw await statusFailure(response, attempt, authorization === undefined ? 'inUrl' : 'sent');
    validator = strongValidator(response.headers) ?? (response.status === 206 ? validator : undefined);
    if (response.status === 200) size = Number(response.headers['content-length'] ?? Number.NaN);
    const known = size === undefined || Number.isNaN(size) ? undefined : size;
    const onBytes = (bytes: number, of: number | undefined) =>
      progress({ kind: 'received', blob: attempt.reference, bytes, size: of });
    return await receive(response, { file, size: known, attempt, onBytes });
  };
}

/** The validator that If-Range may name, so that the rest of a file comes only if it is the same file. @see RFC 9110, 13.1.5 */
function strongValidator(headers: {
  readonly etag?: string | undefined;
  readonly 'last-modified'?: string | undefined;
}): string | undefined {
  const { etag } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : headers['last-modified'];
}

function userOf({ username, password }: URL): string {
  return basic(decoded(username), decoded(password));
}

/** A password with a `%` in it, as it was written. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function refusePlain(url: URL, name: string, http: HttpClient): void {
  if (url.protocol === 'https:' || http.mayBePlain(url.host)) return;
  throw sourceError(name, 'is without TLS', 'write https://, or allow it with --plain-http');
}
