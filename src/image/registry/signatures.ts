import type { FoundSignature } from '../content.ts';
import { shortDigest } from '../digest.ts';
import { mostSignatures, readable, signaturesIn } from '../signatures/stored.ts';
import { parseImageDocument } from '../source/documents.ts';
import { fetchDocument, fetchIfThere, type Page } from './document.ts';
import type { Endpoint } from './endpoint.ts';

/** Of a registry that does not know the interface for referrers: each says it in its own way. */
const noInterface = [400, 404, 405, 501];

/**
 * The signatures that a registry has for a digest:
 *
 * 1. Manifests that name it as their subject: by the interface for referrers, or where there is none by the tag
 *    `sha256-HEX`, an index that clients keep in its place. cosign 3 puts bundles there.
 * 2. The tag `sha256-HEX.sig`: cosign's first place.
 *
 * @throws MounterError or Transient where the registry cannot be asked.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 */
export async function* signaturesAt(
  endpoint: Endpoint,
  digest: string,
  reference: string,
): AsyncGenerator<FoundSignature> {
  const attempted = { reference, what: `the signatures of ${shortDigest(digest)}` };
  const layer = async (wanted: string) =>
    (await fetchDocument(endpoint, `blobs/${wanted}`, attempted, wanted)).bytes;
  const tag = digest.replace(':', '-');
  const page = async (query: string) =>
    fetchIfThere(endpoint, `referrers/${digest}${query}`, attempted, noInterface);
  const first = (await page('')) ?? (await fetchIfThere(endpoint, `manifests/${tag}`, attempted, [404]));
  for (const referrer of await referrersOf(first, page, reference)) {
    const path = `manifests/${referrer}`;
    const manifest = await readable(() => fetchDocument(endpoint, path, attempted, referrer));
    if ('why' in manifest) yield manifest;
    else yield* signaturesIn(manifest.bytes, digest, false, layer);
  }
  const tagged = await readable(() => fetchIfThere(endpoint, `manifests/${tag}.sig`, attempted, [404]));
  if (tagged === undefined) return;
  if ('why' in tagged) yield tagged;
  else yield* signaturesIn(tagged.bytes, digest, true, layer);
}

/**
 * Whatever they are, also where the list says something else of them: clients fill in its fields as they like. A list may
 * come in pages.
 */
async function referrersOf(
  first: Page | undefined,
  nextOf: (query: string) => Promise<Page | undefined>,
  reference: string,
): Promise<readonly string[]> {
  const found = new Set<string>();
  let page = first;
  for (let pages = 1; page !== undefined; pages += 1) {
    const index = parseImageDocument(page.bytes, 'the list of its referrers', reference);
    for (const { digest } of index.kind === 'index' ? index.manifests : []) found.add(digest);
    const { next } = page;
    const isWhole = next === undefined || found.size >= mostSignatures || pages >= mostSignatures;
    page = isWhole ? undefined : await nextOf(`?${next}`);
  }
  return [...found].slice(0, mostSignatures);
}
