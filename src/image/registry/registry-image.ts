import { createReadStream } from 'node:fs';
import type { ImageContent, Layer, SignedDocument } from '../content.ts';
import { shortDigest } from '../digest.ts';
import type { ImageReference } from '../reference.ts';
import { readSize } from '../source/file-part.ts';
import type { OpenedSource, SourceOptions } from '../source/options.ts';
import { type FetchDocument, type ResolvedImage, resolveImage } from '../source/resolve.ts';
import { fetchDocument } from './document.ts';
import { Downloads } from './downloads.ts';
import { Endpoints } from './endpoints.ts';
import { fetchBlob } from './fetch-blob.ts';
import { removeDownloads } from './partial-file.ts';
import { signaturesAt } from './signatures.ts';

/** Enough to use a network line well, and few enough to leave some of it to others on the node. */
const blobsAtOnce = 3;

/**
 * An image in a registry. Its documents are here when this returns; its layers begin to arrive, all of them,
 * when the first is opened: one that is installed already costs no more than its documents.
 * @param name as the operator wrote it.
 * @throws MounterError that names the reference.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export async function openRegistryImage(
  reference: ImageReference,
  name: string,
  options: SourceOptions,
): Promise<OpenedSource> {
  const controller = new AbortController();
  const endpoints = new Endpoints(reference, name, options, controller.signal);
  const image = await resolve(reference, name, endpoints, options);
  let downloads: Downloads | undefined;
  const path = (digest: string) => {
    downloads ??= startDownloads(image, name, endpoints, options, controller);
    return downloads.path(digest);
  };
  const signed: SignedDocument = {
    digest: image.asked,
    repository: `${reference.registry}/${reference.repository}`,
    checkSignatures: (check) =>
      endpoints.anywhere('resolve', (endpoint) => check(signaturesAt(endpoint, image.asked, name))),
  };
  return {
    content: { ...contentOf(image, name, path), signed },
    dispose: async () => {
      controller.abort(new Error('not wanted any more'));
      await downloads?.settled();
      await removeDownloads(options.downloadDirectory);
    },
  };
}

async function resolve(
  { tag, digest }: ImageReference,
  name: string,
  endpoints: Endpoints,
  options: SourceOptions,
): Promise<ResolvedImage> {
  const document = (path: string, what: string, wanted?: string) =>
    endpoints.anywhere(wanted === undefined ? 'resolve' : 'pull', (endpoint) =>
      fetchDocument(endpoint, path, { reference: name, what }, wanted),
    );
  const first = await document(`manifests/${digest ?? tag ?? 'latest'}`, 'the manifest', digest);
  const fetch: FetchDocument = ({ digest: wanted }, kind) =>
    document(
      `${kind === 'manifest' ? 'manifests' : 'blobs'}/${wanted}`,
      `the ${kind} ${shortDigest(wanted)}`,
      wanted,
    );
  return resolveImage(first, fetch, name, options);
}

/** All layers, from the first that is wanted on. */
function startDownloads(
  image: ResolvedImage,
  reference: string,
  endpoints: Endpoints,
  { downloadDirectory: directory, progress }: SourceOptions,
  controller: AbortController,
): Downloads {
  const blobs = new Map(image.layers.map(({ descriptor }) => [descriptor.digest, descriptor.size]));
  const list = [...blobs].map(([digest, size]) => ({ digest, size }));
  const totalBytes = list.reduce((total, { size }) => total + size, 0);
  progress({ kind: 'resolved', digest: image.digest, blobs: list, totalBytes });
  const fetch = (digest: string) => {
    const blob = { digest, size: blobs.get(digest) ?? 0 };
    return fetchBlob({
      blob,
      directory,
      reference,
      progress,
      anywhere: (action) => endpoints.anywhere('pull', action),
    });
  };
  return new Downloads(blobs.keys(), blobsAtOnce, fetch, (error) => controller.abort(error));
}

function contentOf(
  image: ResolvedImage,
  reference: string,
  path: (digest: string) => Promise<string>,
): ImageContent {
  const layers = image.layers.map(({ descriptor, diffId }): Layer => {
    const { digest, size } = descriptor;
    const open = async () => createReadStream(await path(digest), { highWaterMark: readSize });
    return { digest, diffId, size, open };
  });
  return { digest: image.digest, reference, layers, config: image.config };
}
