import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ImageReference } from '../reference.ts';
import { authorizationFor } from './authorization.ts';
import type { Credentials } from './credentials.ts';
import { type Attempt, type Login, networkFailure, statusFailure } from './failure.ts';
import type { HostEntry } from './hosts-toml.ts';
import type { HttpResponse } from './http.ts';
import { codeOf, type HttpClient, isAlert } from './http-client.ts';

/** Where to ask for a repository: the registry itself, or a mirror of it. */
export interface RegistryAddress {
  /** With the port where one is given. */
  readonly host: string;
  /** Undefined where it is to be found out. */
  readonly protocol: 'https:' | 'http:' | undefined;
  /** Where its interface begins: `/v2`. */
  readonly root: string;
  /** The repository's name there. */
  readonly repository: string;
  /** What mirrors are told of the registry they stand for: `?ns=docker.io`; or ''. */
  readonly query: string;
}

/** Docker Hub's registry has another name than its images. */
const dockerHubRegistry = 'registry-1.docker.io';

export function addressOf({ registry, repository }: ImageReference): RegistryAddress {
  const host = registry === 'docker.io' ? dockerHubRegistry : registry;
  return { host, protocol: undefined, root: '/v2', repository, query: '' };
}

/** @param entry of the node's hosts.toml for the registry. */
export function addressOfEntry(
  { place, root, hasTls }: HostEntry,
  reference: ImageReference,
): RegistryAddress {
  const itself = addressOf(reference);
  if (place === undefined) return { ...itself, root };
  const { registry, repository } = reference;
  const query = place.host === registry || place.host === itself.host ? '' : `?ns=${registry}`;
  const mayHaveTls = place.protocol === 'http:' && hasTls && !place.host.endsWith(':80');
  return { host: place.host, protocol: mayHaveTls ? undefined : place.protocol, root, repository, query };
}

/**
 * @param mirror `host[:port][/prefix]`, perhaps with `https://` or `http://` in front.
 * @throws MounterError (usage)
 */
export function mirrorAddress(mirror: string, repository: string): RegistryAddress {
  const match = /^(https?:)?(?:\/\/)?([^/@\s]+)((?:\/[a-z0-9._-]+)*)\/?$/.exec(mirror);
  const [, protocol, host = '', prefix = ''] = match ?? [];
  if (match === null || !URL.canParse(`https://${host}`)) {
    throw new MounterError('is no place of a mirror', {
      subject: mirror,
      status: exitCode.usage,
      hint: 'write host[:port][/prefix], with https:// or http:// in front where it has to be forced',
    });
  }
  const name = `${prefix.slice(1)}${prefix === '' ? '' : '/'}${repository}`;
  return {
    host,
    protocol: protocol === 'http:' || protocol === 'https:' ? protocol : undefined,
    root: '/v2',
    repository: name,
    query: '',
  };
}

/** An expired token, and one that another request had renewed already. */
const mostLogins = 2;

/** Whether another login may help. Some registries call what a stranger may not see missing, or forbidden. */
function isRefusal(status: number, authorization: string | undefined): boolean {
  return status === 401 || (authorization === undefined && (status === 403 || status === 404));
}

/** One registry or mirror to pull from, and how we are logged in there. */
export class Endpoint {
  readonly host: string;
  readonly #address: RegistryAddress;
  readonly #http: HttpClient;
  readonly #credentials: () => Promise<Credentials | undefined>;
  readonly #signal: AbortSignal;
  #base: URL | undefined;
  #authorization: string | undefined;
  #login: Login = 'unasked';
  #rootChallenge: Promise<string | undefined> | undefined;

  /** @throws MounterError (usage) for one that is to be asked without TLS, where that was not allowed. */
  constructor(
    address: RegistryAddress,
    http: HttpClient,
    credentials: () => Promise<Credentials | undefined>,
    signal: AbortSignal,
  ) {
    if (address.protocol === 'http:' && !http.mayBePlain(address.host)) throw withoutTls(address.host);
    this.host = address.host;
    this.#address = address;
    this.#http = http;
    this.#credentials = credentials;
    this.#signal = signal;
  }

  /**
   * GET `<root>/<repository>/<path>`, logging in where that is asked for.
   * @param accepted the statuses that are no failures.
   * @throws MounterError or Transient.
   */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    attempt: Attempt,
    accepted: readonly number[],
  ): Promise<HttpResponse> {
    const base = await this.#findBase(attempt);
    const { root, repository, query } = this.#address;
    const url = new URL(`${root}/${repository}/${path}${query}`, base);
    for (let logins = 0; ; logins += 1) {
      const authorization = this.#authorization;
      const response = await this.#try(url, headers, authorization, attempt);
      if (accepted.includes(response.status)) return response;
      // A store that the registry sent us to has no use for the registry's credentials.
      const isOurs = response.url.origin === url.origin && logins < mostLogins;
      const isRenewed = isOurs && (await this.#logIn(response, authorization, base, attempt));
      if (!isRenewed) throw await statusFailure(response, attempt, this.#login);
      response.discard();
    }
  }

  async #try(
    url: URL,
    headers: Readonly<Record<string, string>>,
    authorization: string | undefined,
    attempt: Attempt,
  ): Promise<HttpResponse> {
    try {
      const login = authorization === undefined ? {} : { authorization };
      return await this.#http.get(url, { ...headers, ...login }, this.#signal);
    } catch (error) {
      throw networkFailure(error, attempt);
    }
  }

  /** @returns whether there is something else to try with than `refused`. */
  async #logIn(
    response: HttpResponse,
    refused: string | undefined,
    base: URL,
    attempt: Attempt,
  ): Promise<boolean> {
    if (!isRefusal(response.status, refused)) return false;
    if (this.#authorization !== refused) return true;
    const challenge = await this.#challengeOf(response, base);
    if (challenge === undefined) return false;
    const credentials = await this.#credentials();
    this.#login = credentials === undefined ? 'wanted' : 'sent';
    const { repository } = this.#address;
    const identity = { http: this.#http, credentials, repository, signal: this.#signal };
    const authorization = await authorizationFor(challenge, base, identity, attempt);
    if (authorization === undefined || authorization === refused) return false;
    this.#authorization = authorization;
    return true;
  }

  /**
   * How to log in: some registries say it at the root of their interface alone, where docker and skopeo ask first.
   * @returns a WWW-Authenticate header.
   */
  async #challengeOf({ status, headers }: HttpResponse, base: URL): Promise<string | undefined> {
    const said = status === 401 ? headers['www-authenticate'] : undefined;
    if (said !== undefined) return said;
    this.#rootChallenge ??= this.#askRoot(base);
    return await this.#rootChallenge;
  }

  #rootOf(base: URL): URL {
    return new URL(`${this.#address.root}/`, base);
  }

  /** It need not have a root, nor answer there. */
  async #askRoot(base: URL): Promise<string | undefined> {
    try {
      const response = await this.#http.get(this.#rootOf(base), {}, this.#signal);
      response.discard();
      return response.status === 401 ? response.headers['www-authenticate'] : undefined;
    } catch {
      return undefined;
    }
  }

  /** With TLS; without it only where that is allowed and the server does not speak TLS. */
  async #findBase(attempt: Attempt): Promise<URL> {
    if (this.#base !== undefined) return this.#base;
    const { host, protocol } = this.#address;
    const [secure, plain] = [new URL(`https://${host}`), new URL(`http://${host}`)];
    if (protocol === 'http:') this.#base = plain;
    else if (protocol === 'https:' || !this.#http.mayBePlain(host)) this.#base = secure;
    else this.#base = (await this.#speaksTls(secure, attempt)) ? secure : plain;
    return this.#base;
  }

  async #speaksTls(base: URL, attempt: Attempt): Promise<boolean> {
    try {
      (await this.#http.get(this.#rootOf(base), {}, this.#signal)).discard();
      return true;
    } catch (error) {
      // The server answers something else than TLS (OpenSSL's and BoringSSL's codes for that), or nothing.
      if (/^(EPROTO|ECONNRESET|EPIPE|ERR_SSL_.*)$/.test(codeOf(error)) && !isAlert(error)) return false;
      throw networkFailure(error, attempt);
    }
  }
}

function withoutTls(host: string): MounterError {
  return new MounterError('is to be asked without TLS, which has to be allowed', {
    subject: `--mirror http://${host}`,
    status: exitCode.usage,
    hint: 'add --plain-http, or write https://',
  });
}
