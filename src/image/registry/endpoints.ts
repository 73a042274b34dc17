import type { ImageReference } from '../reference.ts';
import type { SourceOptions } from '../source/options.ts';
import { credentialsFor, readDockerConfig } from './credentials.ts';
import { addressOf, Endpoint, mirrorAddress, type RegistryAddress } from './endpoint.ts';
import { HttpClient } from './http-client.ts';
import { forMirror, networkPatience, type RetryPolicy, retrying } from './retry.ts';

/** The mirrors of a registry and the registry itself, in the order in which they are asked. */
export class Endpoints {
  readonly #mirrors: readonly Endpoint[];
  readonly #registry: Endpoint;
  readonly #patience: RetryPolicy;
  readonly #signal: AbortSignal;
  readonly #onRetry: (message: string) => void;

  /** @throws MounterError (usage) for a mirror, a CA file or a configuration that cannot be used. */
  constructor(reference: ImageReference, name: string, options: SourceOptions, signal: AbortSignal) {
    const http = new HttpClient(options);
    const config = readDockerConfig(options.credentials);
    const mirrors = Object.hasOwn(options.mirrors, reference.registry)
      ? options.mirrors[reference.registry]
      : [];
    const endpoint = (address: RegistryAddress, host: string) =>
      new Endpoint(
        address,
        http,
        once(() => credentialsFor(host, address.repository, config)),
        signal,
      );
    this.#mirrors = (mirrors ?? []).map((mirror) => {
      const address = mirrorAddress(mirror, reference.repository);
      return endpoint(address, address.host);
    });
    this.#registry = endpoint(addressOf(reference), reference.registry);
    this.#patience = options.patience ?? networkPatience;
    this.#signal = signal;
    this.#onRetry = (message) => options.progress({ kind: 'retry', message: `${name}: ${message}` });
  }

  /**
   * @returns what `action` returns at the first of them where it succeeds.
   * @throws what it throws at the registry: a mirror need not have everything.
   */
  async anywhere<T>(action: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    for (const mirror of this.#mirrors) {
      try {
        return await this.#retrying(mirror, forMirror(this.#patience), action);
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#onRetry(`not from the mirror: ${error instanceof Error ? error.message : error}`);
      }
    }
    return await this.#retrying(this.#registry, this.#patience, action);
  }

  #retrying<T>(
    endpoint: Endpoint,
    patience: RetryPolicy,
    action: (endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    return retrying(() => action(endpoint), patience, this.#signal, this.#onRetry);
  }
}

/** A helper is asked once, and only when the registry asks us. */
function once<T>(action: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}
