import { type KeyObject, sign } from 'node:crypto';
import { digestOf } from '../rootfs/archive.ts';
import { descriptor, jsonOf, mediaTypes } from './oci.ts';

/** What cosign 2 makes of an image, cosign 3 reads as well, and skopeo copies by its tag. */
export interface Signature {
  /** `sha256-HEX.sig`; of a statement `sha256-HEX.att` */
  readonly tag: string;
  readonly manifest: Buffer;
  /** By digest, the manifest among them. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/**
 * @param name of the image, without a registry: nobody knows yet where it is pushed to.
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export function signatureOf(digest: string, name: string, key: KeyObject): Signature {
  const payload = jsonOf({
    critical: {
      identity: { 'docker-reference': name },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: null,
  });
  const signature = signBytes(payload, key).toString('base64');
  const annotations = { 'dev.cosignproject.cosign/signature': signature };
  const type = 'application/vnd.dev.cosign.simplesigning.v1+json';
  return companionOf(`${digest.replace(':', '-')}.sig`, payload, type, annotations);
}

/**
 * A statement about an image, signed: what `cosign attest` makes.
 * @param statement of in-toto, of which the image is a subject.
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export function attestationOf(
  digest: string,
  statement: Buffer,
  key: KeyObject,
): Signature & { readonly envelope: Buffer } {
  const payloadType = 'application/vnd.in-toto+json';
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${statement.length} `;
  const signature = signBytes(Buffer.concat([Buffer.from(head), statement]), key);
  const envelope = jsonOf({
    payloadType,
    payload: statement.toString('base64'),
    signatures: [{ keyid: '', sig: signature.toString('base64') }],
  });
  const { predicateType } = JSON.parse(statement.toString());
  const annotations = { 'dev.cosignproject.cosign/signature': '', predicateType };
  const type = 'application/vnd.dsse.envelope.v1+json';
  return { envelope, ...companionOf(`${digest.replace(':', '-')}.att`, envelope, type, annotations) };
}

/** A manifest with one layer, as cosign has them. */
function companionOf(
  tag: string,
  content: Buffer,
  mediaType: string,
  annotations: Readonly<Record<string, string>>,
): Signature {
  const layer = { ...descriptor(mediaType, content), annotations };
  const config = jsonOf({
    architecture: '',
    os: '',
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    config: {},
  });
  const manifest = jsonOf({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptor(mediaTypes.config, config),
    layers: [layer],
  });
  const blobs = new Map([content, config, manifest].map((blob) => [digestOf(blob), blob]));
  return { tag, manifest, blobs };
}

/** As cosign signs a blob. With ECDSA and the same bytes it is another one each time. */
export function signBytes(bytes: Buffer, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key);
}
