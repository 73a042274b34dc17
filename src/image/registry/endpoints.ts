import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ImageReference } from '../reference.ts';
import type { SourceOptions } from '../source/options.ts';
import { certificateFilesFor, hostSettings, registrySettings } from './certs-d.ts';
import { CredentialProviders } from './credential-providers.ts';
import { type AuthFile, readAuthFiles, sourcesIn } from './credentials.ts';
import { addressOf, addressOfEntry, Endpoint, mirrorAddress, type RegistryAddress } from './endpoint.ts';
import { type HostSettings, HttpClient } from './http-client.ts';
import { Keyring } from './keyring.ts';
import { plainName } from './match.ts';
import { forMirror, networkPatience, type RetryPolicy, retrying } from './retry.ts';

/** What is asked of a host: to say what a tag means, or for something by its digest. */
export type Capability = 'resolve' | 'pull';

interface Place {
  readonly address: RegistryAddress;
  readonly capabilities: readonly string[];
  readonly settings: HostSettings;
}

/** The mirrors of a registry and the registry itself, in the order in which they are asked. */
export class Endpoints {
  readonly #endpoints: readonly { readonly endpoint: Endpoint; readonly capabilities: readonly string[] }[];
  readonly #registry: string;
  readonly #patience: RetryPolicy;
  readonly #signal: AbortSignal;
  readonly #onRetry: (message: string) => void;

  /** @throws MounterError (usage) for a mirror, a CA file or a configuration that cannot be used. */
  constructor(reference: ImageReference, name: string, options: SourceOptions, signal: AbortSignal) {
    this.#registry = reference.registry;
    this.#patience = options.patience ?? networkPatience;
    this.#signal = signal;
    this.#onRetry = (message) => options.progress({ kind: 'retry', message: `${name}: ${message}` });
    const http = new HttpClient(options);
    const keep = {
      files: readAuthFiles(options.credentials),
      providers: options.credentialProviders && new CredentialProviders(options.credentialProviders),
    };
    const report = (message: string) => options.progress({ kind: 'detail', message });
    const places = [...mirrorPlaces(reference, options), ...nodePlaces(reference, this.#onRetry)];
    this.#endpoints = places.map(({ address, capabilities, settings }) => ({
      capabilities,
      endpoint: new Endpoint(address, http.for(settings), () => keyringFor(address, keep), report, signal),
    }));
  }

  /**
   * @returns what `action` returns at the first of them where it succeeds.
   * @throws what it throws at the last: a mirror need not have everything.
   */
  async anywhere<T>(capability: Capability, action: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const able = this.#endpoints.filter(({ capabilities }) => capabilities.includes(capability));
    const last = able.pop();
    for (const { endpoint } of able) {
      try {
        return await this.#retrying(endpoint, forMirror(this.#patience), action);
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#onRetry(`not from the mirror: ${error instanceof Error ? error.message : error}`);
      }
    }
    if (last === undefined) throw nobody(this.#registry, capability);
    return await this.#retrying(last.endpoint, this.#patience, action);
  }

  #retrying<T>(
    endpoint: Endpoint,
    patience: RetryPolicy,
    action: (endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    return retrying(() => action(endpoint), patience, this.#signal, this.#onRetry);
  }
}

/** Those of the command line. */
function mirrorPlaces(reference: ImageReference, { mirrors }: SourceOptions): readonly Place[] {
  const { registry, repository } = reference;
  const words = Object.hasOwn(mirrors, registry) ? mirrors[registry] : [];
  return (words ?? []).map((word) => {
    const address = mirrorAddress(word, repository);
    return {
      address,
      capabilities: everything,
      settings: hostSettings(address.host),
    };
  });
}

/** Those of the node, and the registry itself, unless the node says where to ask instead. */
function nodePlaces(reference: ImageReference, warn: (message: string) => void): readonly Place[] {
  const { hosts, files } = registrySettings(reference.registry, warn);
  const itself = addressOf(reference);
  const names = new Set([reference.registry, itself.host]);
  if (hosts.length === 0) {
    const more = itself.host === reference.registry ? [] : certificateFilesFor(itself.host);
    return [
      { address: itself, capabilities: everything, settings: hostSettings(itself.host, [...files, ...more]) },
    ];
  }
  return hosts.map((entry) => {
    const address = addressOfEntry(entry, reference);
    const { isUnverified, headers, capabilities } = entry;
    const own = names.has(address.host) ? files : certificateFilesFor(address.host);
    const settings = hostSettings(address.host, [entry.files, ...own]);
    const isPlainAllowed = entry.place?.protocol === 'http:';
    return { address, capabilities, settings: { ...settings, isUnverified, headers, isPlainAllowed } };
  });
}

const everything: readonly Capability[] = ['resolve', 'pull'];

interface CredentialPlaces {
  readonly files: readonly AuthFile[];
  readonly providers: CredentialProviders | undefined;
}

/** A mirror has credentials of its own: those of the registry that it stands for are not for it. */
function keyringFor({ host, repository }: RegistryAddress, { files, providers }: CredentialPlaces): Keyring {
  const name = plainName(host);
  return new Keyring([
    ...files.flatMap((file) => sourcesIn(file, name, repository)),
    ...(providers?.sourcesFor(name, repository) ?? []),
  ]);
}

function nobody(registry: string, capability: Capability): MounterError {
  return new MounterError(
    `the node's hosts.toml for ${registry} names no host with the capability ${capability}`,
    {
      subject: registry,
      status: exitCode.usage,
      hint: `add "${capability}" to the capabilities of one of them`,
    },
  );
}
