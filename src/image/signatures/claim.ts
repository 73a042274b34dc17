import * as v from 'valibot';
import { jsonOrUndefined } from '../../json.ts';
import type { FoundSignature } from '../content.ts';
import { shortDigest } from '../digest.ts';
import type { PublicKey } from './public-key.ts';

/** What a signature says, and whether it counts. */

export type Verdict =
  | { readonly signedBy: PublicKey }
  /** Why it does not count: the end of a sentence about the signature. */
  | { readonly why: string };

/**
 * Whether one of `keys` has signed that `digest` is an image. As for cosign, that alone counts: neither the name that a
 * payload has for the image, which may have been copied since, nor a transparency log.
 */
export async function judge(
  found: FoundSignature,
  digest: string,
  keys: readonly PublicKey[],
): Promise<Verdict> {
  switch (found.kind) {
    case 'unreadable':
      return found;
    case 'simpleSigning':
      return await judgeSimple(found, digest, keys);
    case 'bundle':
      return await judgeBundle(found.bytes, digest, keys);
    default:
      return found satisfies never;
  }
}

/** `{"critical": {"image": {"docker-manifest-digest": "sha256:…"}, "type": "cosign container image signature", …}, …}` */
const payloadSchema = v.object({
  critical: v.object({
    type: v.literal('cosign container image signature'),
    image: v.object({ 'docker-manifest-digest': v.string() }),
  }),
});

async function judgeSimple(
  { payload, signature }: Extract<FoundSignature, { readonly kind: 'simpleSigning' }>,
  digest: string,
  keys: readonly PublicKey[],
): Promise<Verdict> {
  const signedBy = await signerOf(payload, signature, keys);
  if (signedBy === undefined) return { why: otherKey };
  const said = v.safeParse(payloadSchema, jsonOrUndefined(payload.toString('utf8')));
  if (!said.success) return { why: 'what is signed is not said to be an image' };
  return ofDigests([said.output.critical.image['docker-manifest-digest']], digest, signedBy);
}

/** @see https://github.com/sigstore/protobuf-specs, sigstore_bundle.proto */
const bundleSchema = v.object({
  verificationMaterial: v.optional(
    v.object({ publicKey: v.optional(v.object({ hint: v.optional(v.string()) })) }),
  ),
  dsseEnvelope: v.object({
    payload: v.string(),
    payloadType: v.literal('application/vnd.in-toto+json'),
    signatures: v.pipe(v.array(v.object({ sig: v.string() })), v.maxLength(10)),
  }),
});

const statementSchema = v.object({
  _type: v.picklist(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']),
  predicateType: v.string(),
  subject: v.array(v.object({ digest: v.record(v.string(), v.string()) })),
});

/** All else that a key signs in this way, an SBOM or a report on an image, does not say that it is to be run. */
const signaturePredicate = 'https://sigstore.dev/cosign/sign/v1';

async function judgeBundle(bytes: Buffer, digest: string, keys: readonly PublicKey[]): Promise<Verdict> {
  const bundle = v.safeParse(bundleSchema, jsonOrUndefined(bytes.toString('utf8')));
  if (!bundle.success) return { why: 'it is no bundle with a signature of an image' };
  const { dsseEnvelope, verificationMaterial } = bundle.output;
  const payload = Buffer.from(dsseEnvelope.payload, 'base64');
  const signed = preAuthenticated(dsseEnvelope.payloadType, payload);
  const signers = dsseEnvelope.signatures.map(({ sig }) => signerOf(signed, sig, keys));
  const signedBy = (await Promise.all(signers)).find((key) => key !== undefined);
  const hint = verificationMaterial?.publicKey?.hint;
  if (signedBy === undefined) return { why: keys.some(({ id }) => id === hint) ? tampered : otherKey };
  const statement = v.safeParse(statementSchema, jsonOrUndefined(payload.toString('utf8')));
  if (!statement.success) return { why: 'what is signed is not said to be an image' };
  const { predicateType, subject } = statement.output;
  if (predicateType !== signaturePredicate) return { why: `what is signed is a statement, ${predicateType}` };
  const digests = subject.flatMap((one) =>
    one.digest.sha256 === undefined ? [] : [`sha256:${one.digest.sha256}`],
  );
  return ofDigests(digests, digest, signedBy);
}

/** What is signed of an envelope: its type, too. @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md */
export function preAuthenticated(type: string, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `),
    payload,
  ]);
}

const otherKey = 'it is of another key, or was changed';
const tampered = 'it was changed since it was signed';

function ofDigests(said: readonly string[], digest: string, signedBy: PublicKey): Verdict {
  if (said.includes(digest)) return { signedBy };
  const [first = 'nothing'] = said;
  return { why: `it is for ${shortDigest(first)}` };
}

async function signerOf(
  bytes: Buffer,
  signature: string,
  keys: readonly PublicKey[],
): Promise<PublicKey | undefined> {
  for (const key of keys) if (await key.isSignatureOf(bytes, Buffer.from(signature, 'base64'))) return key;
  return undefined;
}
