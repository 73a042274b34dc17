import { type ImageContent, sourceError } from '../content.ts';
import type { ProviderFiles } from '../registry/credential-providers.ts';
import type { RetryPolicy } from '../registry/retry.ts';

export interface Platform {
  readonly os: 'linux';
  readonly architecture: 'amd64' | 'arm64';
  /** Such as `v8`; what any machine of the architecture runs if left out. */
  readonly variant?: string;
}

/** This machine's. */
export const ownArchitecture: Platform['architecture'] = process.arch === 'arm64' ? 'arm64' : 'amd64';

export interface SourceOptions {
  readonly platform: Platform;
  /**
   * For blobs on their way; must exist, on the filesystem of the versions, and serve one source at a time.
   * What a killed run left there is verified and used.
   */
  readonly downloadDirectory: string;
  /**
   * `sha256:…`: of the image's manifest or its index; of the configuration (docker's image ID) for what
   * `docker save` wrote; of the uncompressed tar for a plain rootfs, also where it is an image's only layer.
   */
  readonly expectedDigest?: string;
  /** Whether any host may be spoken to without TLS; loopback always may. TLS is tried first. */
  readonly plainHttp: boolean;
  /** PEM; trusted beside the built-in ones. */
  readonly caFile?: string;
  /**
   * By registry as the reference names it: `host[:port][/prefix]`, with `https://` or `http://` in front
   * where it is to be forced. Tried in order, then the registry itself.
   */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** A file in the format of docker's config.json; all that a node has of them when left out. */
  readonly credentials?: string;
  /** kubelet's. */
  readonly credentialProviders?: ProviderFiles;
  readonly progress: (event: ProgressEvent) => void;
  readonly patience?: RetryPolicy;
}

/**
 * Progress of a download, and of what is done with it. `blob` is a digest, or the URL of a tar. Bytes are counted from
 * the start of the blob: where a download begins again, they fall back.
 */
export type ProgressEvent =
  | {
      /** The layers of an image in a registry begin to arrive. */
      readonly kind: 'resolved';
      readonly digest: string;
      /** The layers that come over the network, each digest once. */
      readonly blobs: readonly { readonly digest: string; readonly size: number }[];
      readonly totalBytes: number;
    }
  | {
      readonly kind: 'received';
      readonly blob: string;
      readonly bytes: number;
      /** Undefined when the server does not say. */
      readonly size: number | undefined;
    }
  | {
      readonly kind: 'complete';
      readonly blob: string;
      readonly size: number;
      /** It was there already: a killed run had left it. */
      readonly isFromDisk: boolean;
    }
  /** Of all layers, as they are stored. */
  | { readonly kind: 'unpacked'; readonly bytes: number; readonly totalBytes: number }
  /** What begins now, and may take seconds. */
  | { readonly kind: 'step'; readonly text: string }
  /** It is tried again, or elsewhere; the message says why. */
  | { readonly kind: 'retry'; readonly message: string }
  /** For whoever wants to know each step. */
  | { readonly kind: 'detail'; readonly message: string };

export interface OpenedSource {
  readonly content: ImageContent;
  /** Ends what still downloads and removes all that is temporary. Any number of times. */
  dispose(): Promise<void>;
}

/**
 * @param found what the image may rightly be called by.
 * @throws MounterError (system) when the operator expects another.
 */
export function checkExpected(
  expected: string | undefined,
  found: readonly string[],
  reference: string,
): void {
  if (expected === undefined || found.includes(expected)) return;
  throw sourceError(
    reference,
    `the digest of its contents is ${found[0]}, not ${expected}`,
    'fetch the file again, or name the image by its digest, for a tag may have moved; or name the manifest that belongs to it with --manifest',
  );
}
