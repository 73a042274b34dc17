import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ImageReference } from '../reference.ts';
import { authorizationFor } from './authorization.ts';
import { type Attempt, CredentialsRefused, type Login, networkFailure, statusFailure } from './failure.ts';
import type { HostEntry } from './hosts-toml.ts';
import type { HttpResponse } from './http.ts';
import { codeOf, type HttpClient, isAlert } from './http-client.ts';
import type { Candidate, Keyring } from './keyring.ts';

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

/** For several credentials, of which each may be refused, and for tokens that expire meanwhile. */
const mostLogins = 20;

/** Who was logged in when a request was refused, and where; undefined: nobody. */
interface LoggedIn {
  readonly authorization: string;
  readonly candidate: Candidate | undefined;
  /** Something was answered to it already. */
  isProven: boolean;
}

/** Whether another login may help. Some registries call what a stranger may not see missing, or forbidden. */
function isRefusal(status: number, refused: LoggedIn | undefined): boolean {
  if (status === 401) return true;
  return refused === undefined ? status === 403 || status === 404 : status === 403 && !refused.isProven;
}

/** One registry or mirror to pull from, and how we are logged in there. */
export class Endpoint {
  readonly host: string;
  readonly #address: RegistryAddress;
  readonly #http: HttpClient;
  readonly #openKeyring: () => Keyring;
  readonly #report: (message: string) => void;
  readonly #signal: AbortSignal;
  #base: URL | undefined;
  #keyring: Keyring | undefined;
  #loggedIn: LoggedIn | undefined;
  #login: Login = 'unasked';
  #loggingIn: Promise<unknown> = Promise.resolve();
  #challenge: string | undefined;
  #rootChallenge: Promise<string | undefined> | undefined;

  /**
   * @param openKeyring is called when it asks who we are.
   * @param report is told whose credentials were used and refused.
   * @throws MounterError (usage) for one that is to be asked without TLS, where that was not allowed.
   */
  constructor(
    address: RegistryAddress,
    http: HttpClient,
    openKeyring: () => Keyring,
    report: (message: string) => void,
    signal: AbortSignal,
  ) {
    if (address.protocol === 'http:' && !http.mayBePlain(address.host)) throw withoutTls(address.host);
    this.host = address.host;
    this.#address = address;
    this.#http = http;
    this.#openKeyring = openKeyring;
    this.#report = report;
    this.#signal = signal;
  }

  /**
   * GET `<root>/<repository>/<path>`, logging in where that is asked for. The path may have a query of its own.
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
    const joined = path.includes('?') ? query.replace('?', '&') : query;
    const url = new URL(`${root}/${repository}/${path}${joined}`, base);
    for (let logins = 0; ; logins += 1) {
      const loggedIn = this.#loggedIn;
      const response = await this.#try(url, headers, loggedIn?.authorization, attempt);
      if (accepted.includes(response.status)) {
        this.#prove(loggedIn);
        return response;
      }
      // A store that the registry sent us to has no use for the registry's credentials.
      const isOurs = response.url.origin === url.origin && logins < mostLogins;
      const isRenewed = isOurs && (await this.#logInAfter(response, loggedIn, base, attempt));
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

  #prove(loggedIn: LoggedIn | undefined): void {
    if (loggedIn === undefined || loggedIn.isProven) return;
    loggedIn.isProven = true;
    if (loggedIn.candidate !== undefined)
      this.#report(`${this.host}: logged in by ${loggedIn.candidate.origin}`);
  }

  /** One after the other: several requests may have been refused for one reason. */
  async #logInAfter(
    response: HttpResponse,
    refused: LoggedIn | undefined,
    base: URL,
    attempt: Attempt,
  ): Promise<boolean> {
    const turn = this.#loggingIn.then(() => this.#logIn(response, refused, base, attempt));
    this.#loggingIn = turn.catch(() => {});
    return await turn;
  }

  /**
   * 1. Whoever was refused, and never before, is discarded; a token that has done its work has expired.
   * 2. The next credentials are tried, until a token service takes them; a registry that wants a password is asked again.
   *
   * @returns whether there is something else to try with than `refused`.
   */
  async #logIn(
    response: HttpResponse,
    refused: LoggedIn | undefined,
    base: URL,
    attempt: Attempt,
  ): Promise<boolean> {
    if (!isRefusal(response.status, refused)) return false;
    if (this.#loggedIn !== refused) return true;
    const challenge = (await this.#challengeOf(response, base)) ?? this.#challenge;
    if (challenge === undefined) return false;
    this.#challenge = challenge;
    this.#keyring ??= this.#openKeyring();
    if (refused !== undefined && !refused.isProven) {
      if (refused.candidate === undefined) return false;
      this.#discard(this.#keyring, refused.candidate, String(response.status));
    }
    return await this.#tryNext(this.#keyring, challenge, base, attempt);
  }

  async #tryNext(keyring: Keyring, challenge: string, base: URL, attempt: Attempt): Promise<boolean> {
    let failure: CredentialsRefused | undefined;
    for (;;) {
      const candidate = await keyring.current();
      if (candidate === undefined && failure !== undefined) throw failure;
      // All that there were are refused.
      if (candidate === undefined && this.#login === 'sent') return false;
      this.#login = candidate === undefined ? 'wanted' : 'sent';
      try {
        const authorization = await this.#authorize(candidate, challenge, base, attempt);
        if (authorization !== undefined) {
          this.#loggedIn = { authorization, candidate, isProven: false };
          return true;
        }
        if (candidate === undefined) return false;
        this.#discard(keyring, candidate, 'it wants a password');
      } catch (error) {
        if (!(error instanceof CredentialsRefused) || candidate === undefined) throw error;
        failure = error;
        this.#discard(keyring, candidate, 'its token service');
      }
    }
  }

  async #authorize(
    candidate: Candidate | undefined,
    challenge: string,
    base: URL,
    attempt: Attempt,
  ): Promise<string | undefined> {
    const { repository } = this.#address;
    const credentials = candidate?.credentials;
    const identity = { http: this.#http, credentials, repository, signal: this.#signal };
    return await authorizationFor(challenge, base, identity, attempt);
  }

  #discard(keyring: Keyring, { origin }: Candidate, by: string): void {
    keyring.discard();
    this.#report(`${this.host}: what ${origin} has is refused (${by})`);
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
