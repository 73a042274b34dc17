import { MounterError } from '../../errors.ts';

/** How to identify oneself to a registry. Nothing of it is ever shown. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** Exchanged for an access token at the registry's token service. */
  | { readonly kind: 'identityToken'; readonly token: string };

/** Somebody who may know credentials for an image. */
export interface CredentialSource {
  /** For messages: `/root/.docker/config.json`. */
  readonly origin: string;
  /** How well what it knows fits; see `fit`. */
  readonly fit: number;
  /** The best first. @throws MounterError where it fails. */
  ask(): Promise<readonly Credentials[]>;
}

export interface Candidate {
  readonly credentials: Credentials;
  readonly origin: string;
}

/**
 * The credentials for one host, tried one after the other: what fits best first, as kubelet does, and of what fits alike
 * in the order of its sources. Whoever fails has none, and is complained of when nobody else has any.
 */
export class Keyring {
  readonly #sources: readonly CredentialSource[];
  #source = 0;
  #within = 0;
  #failure: MounterError | undefined;

  constructor(sources: readonly CredentialSource[]) {
    this.#sources = sources.toSorted((a, b) => b.fit - a.fit);
  }

  /** What is to be tried now; asked for anew each time, since some are valid for a while only. */
  async current(): Promise<Candidate | undefined> {
    for (; this.#source < this.#sources.length; this.#source += 1, this.#within = 0) {
      const source = this.#sources[this.#source];
      const credentials = (await this.#ask(source))[this.#within];
      if (source !== undefined && credentials !== undefined) return { credentials, origin: source.origin };
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  /** The current one was refused. */
  discard(): void {
    this.#within += 1;
  }

  async #ask(source: CredentialSource | undefined): Promise<readonly Credentials[]> {
    try {
      return (await source?.ask()) ?? [];
    } catch (error) {
      if (!(error instanceof MounterError)) throw error;
      this.#failure ??= error;
      return [];
    }
  }
}
