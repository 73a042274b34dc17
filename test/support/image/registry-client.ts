import { descriptorOf, digestOf, jsonOf, type TestImage } from './test-image.ts';

export type Json = Record<string, unknown>;

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';

/** Reads and writes a repository of a registry without TLS, whatever the bytes are. */
export class RegistryClient {
  readonly #base: string;

  /** @param name `127.0.0.1:PORT/team/tools` */
  constructor(name: string) {
    this.#base = `http://${name.replace('/', '/v2/')}`;
  }

  async blob(digest: string): Promise<Buffer> {
    return await this.#get(`blobs/${digest}`);
  }

  async manifest(name: string): Promise<Json> {
    return JSON.parse(String(await this.#get(`manifests/${name}`)));
  }

  async #get(path: string): Promise<Buffer> {
    const response = await fetch(`${this.#base}/${path}`, {
      headers: { accept: `${manifestType}, ${indexType}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  /** @returns its descriptor. */
  async putBlob(bytes: Buffer, mediaType: string): Promise<Json> {
    const begun = await fetch(`${this.#base}/blobs/uploads/`, { method: 'POST' });
    const url = new URL(begun.headers.get('location') ?? '', this.#base);
    url.searchParams.set('digest', digestOf(bytes));
    await accepted(await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) }));
    return descriptorOf(bytes, mediaType);
  }

  async putImage(image: TestImage, tag: string): Promise<void> {
    for (const [digest, bytes] of image.blobs) if (digest !== image.digest) await this.putBlob(bytes, '');
    await this.putManifest(JSON.parse(String(image.manifest)), tag);
  }

  /** @param name a tag; its digest if left out. @returns its descriptor. */
  async putManifest(manifest: Json, name?: string): Promise<Json> {
    const bytes = jsonOf(manifest);
    const type = String(manifest.mediaType ?? manifestType);
    await accepted(
      await fetch(`${this.#base}/manifests/${name ?? digestOf(bytes)}`, {
        method: 'PUT',
        body: new Uint8Array(bytes),
        headers: { 'content-type': type },
      }),
    );
    return descriptorOf(bytes, type);
  }

  /** A signature of the first format, as the tag of a digest has it. */
  async putSimple(digest: string, payload: Buffer, annotations: Json, mediaType: string): Promise<void> {
    const config = await this.putBlob(jsonOf({}), 'application/vnd.oci.image.config.v1+json');
    const layer = { ...(await this.putBlob(payload, mediaType)), annotations };
    const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers: [layer] };
    await this.putManifest(manifest, `${digest.replace(':', '-')}.sig`);
  }

  /** A bundle as referrer of a digest, listed as by a client of a registry without an interface for referrers. */
  async putBundle(digest: string, bundle: Buffer): Promise<void> {
    const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      artifactType: bundleType,
      config: await this.putBlob(jsonOf({}), 'application/vnd.oci.empty.v1+json'),
      layers: [await this.putBlob(bundle, bundleType)],
      subject: { mediaType: manifestType, digest, size: 1 },
    };
    const manifests = [{ ...(await this.putManifest(manifest)), artifactType: bundleType }];
    await this.putManifest({ schemaVersion: 2, mediaType: indexType, manifests }, digest.replace(':', '-'));
  }
}

async function accepted(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}
