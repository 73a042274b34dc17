import { digestOf, isDigest } from '../digest.ts';
import { manifestTypes } from '../source/documents.ts';
import type { StoredDocument } from '../source/resolve.ts';
import type { Endpoint } from './endpoint.ts';
import { type Attempt, failure, networkFailure } from './failure.ts';
import type { HttpResponse } from './http.ts';

/** The OCI's own limit. Something larger is not a manifest, but an attack on our memory. */
const largestDocument = 4 * 1024 * 1024;

type Attempted = Omit<Attempt, 'host'>;

/**
 * A manifest, or a blob that is a document.
 * @param path such as `manifests/v1`.
 * @param wanted its digest, where it is known.
 * @throws MounterError or Transient.
 */
export async function fetchDocument(
  endpoint: Endpoint,
  path: string,
  attempted: Attempted,
  wanted: string | undefined,
): Promise<StoredDocument> {
  const attempt = { ...attempted, host: endpoint.host };
  const response = await endpoint.get(path, { accept: acceptedAt(path) }, attempt, [200]);
  return await readDocument(response, path, attempt, wanted);
}

/** A document, of which a list may have several. */
export interface Page extends StoredDocument {
  /** The query of the next one, such as `n=50&last=…`. */
  readonly next: string | undefined;
}

/** The same. @returns undefined where the registry says by one of the statuses `absent` that there is none. */
export async function fetchIfThere(
  endpoint: Endpoint,
  path: string,
  attempted: Attempted,
  absent: readonly number[],
): Promise<Page | undefined> {
  const attempt = { ...attempted, host: endpoint.host };
  const response = await endpoint.get(path, { accept: acceptedAt(path) }, attempt, [200, ...absent]);
  if (response.status === 200)
    return { ...(await readDocument(response, path, attempt, undefined)), next: nextPage(response) };
  response.discard();
  return undefined;
}

/** Of the link its query alone: it leads to no other host or name. @see RFC 8288 */
function nextPage({ headers }: HttpResponse): string | undefined {
  const [, link = ''] = /<([^<>]*)>\s*;[^,]*\brel="?next\b/i.exec(String(headers.link ?? '')) ?? [];
  return /\?([\w%.~=&:;,/+-]+)$/.exec(link)?.[1];
}

function acceptedAt(path: string): string {
  return path.startsWith('blobs/') ? '*/*' : manifestTypes.join(', ');
}

async function readDocument(
  response: HttpResponse,
  path: string,
  attempt: Attempt,
  wanted: string | undefined,
): Promise<StoredDocument> {
  const bytes = await response.bytes(largestDocument).catch((error) => {
    throw networkFailure(error, attempt);
  });
  if (bytes === undefined)
    throw failure(attempt, `is larger than ${largestDocument >> 20} MiB`, 'check the name: that is no image');
  const digest = digestOf(bytes);
  const said = String(response.headers['docker-content-digest']);
  checkDigest(digest, wanted, attempt);
  if (path.startsWith('manifests/') && isDigest(said)) checkDigest(digest, said, attempt);
  return { digest, bytes };
}

function checkDigest(found: string, wanted: string | undefined, attempt: Attempt): void {
  if (wanted === undefined || found === wanted) return;
  const hint = 'push the image again: what the registry holds is damaged';
  throw failure(attempt, `its digest is ${found}, not ${wanted}`, hint);
}
