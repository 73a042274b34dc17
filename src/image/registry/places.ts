import type { ImageReference } from '../reference.ts';
import type { SourceOptions } from '../source/options.ts';
import { credentialsFor, readDockerConfig } from './credentials.ts';
import { Endpoint, mirrorPlace, placeOf, type RegistryPlace } from './endpoint.ts';
import { HttpClient } from './http-client.ts';
import { forMirror, networkPatience, type RetryPolicy, retrying } from './retry.ts';

/** The mirrors of a registry and the registry itself, in the order in which they are asked. */
export class Places {
  readonly #mirrors: readonly Endpoint[];
  readonly #registry: Endpoint;
  readonly #patience: RetryPolicy;
  readonly #signal: AbortSignal;
  readonly #onRetry: (message: string) => void;

  /** @throws MounterError (usage) for a mirror, a CA file or a configuration that can't be used. */
  constructor(reference: ImageReference, name: string, options: SourceOptions, signal: AbortSignal) {
    const http = new HttpClient(options);
    const config = readDockerConfig(options.credentials);
    const mirrors = Object.hasOwn(options.mirrors, reference.registry)
      ? options.mirrors[reference.registry]
      : [];
    const endpoint = (place: RegistryPlace, host: string) =>
      new Endpoint(
        place,
        http,
        once(() => credentialsFor(host, place.repository, config)),
        signal,
      );
    this.#mirrors = (mirrors ?? []).map((mirror) => {
      const place = mirrorPlace(mirror, reference.repository);
      return endpoint(place, place.host);
    });
    this.#registry = endpoint(placeOf(reference), reference.registry);
    this.#patience = options.patience ?? networkPatience;
    this.#signal = signal;
    this.#onRetry = (message) => options.progress({ kind: 'retry', message: `${name}: ${message}` });
  }

  /**
   * @returns what `action` returns at the first place where it succeeds.
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
