import { createSecureContext, type SecureContext } from 'node:tls';
import type { SourceOptions } from '../source/options.ts';
import { type Certificates, noCertificates, readCertificates } from './certificates.ts';
import { exchange, type HttpResponse, type TlsSettings } from './http.ts';
import { type HttpProxy, isLoopback, proxyFor } from './proxy.ts';
import { networkPatience, type RetryPolicy } from './retry.ts';
import { machinesCertificates } from './trust-store.ts';

/** A redirect that leads where we do not go. */
export class RedirectError extends Error {}

/** An exchange by a proxy that did not come to an answer. */
export class ProxyError extends Error {
  readonly code: string;
  readonly proxy: HttpProxy;
  /** What the proxy answered instead of making a tunnel. */
  readonly status: number | undefined;

  constructor(error: Error, proxy: HttpProxy) {
    super(`by the proxy ${proxy.url.host}: ${error.message}`, { cause: error });
    this.code = 'code' in error ? String(error.code) : 'EPROXY';
    this.proxy = proxy;
    this.status = 'statusCode' in error ? Number(error.statusCode) : undefined;
  }
}

/** What the node says of one host. */
export interface HostSettings {
  /** `host[:port]` as in its URL. */
  readonly host: string;
  readonly certificates: Certificates;
  /** Whether anybody may say to be it. */
  readonly isUnverified: boolean;
  readonly isPlainAllowed: boolean;
  /** Sent to it, and to nobody else; their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Docker Hub needs one, presigned stores two. */
const mostRedirects = 5;

/** HTTP by the operator's settings and the node's: which certificates and proxies, whether without TLS, how long. */
export class HttpClient {
  readonly #trusted: readonly string[];
  readonly #plainHttp: boolean;
  readonly #patience: RetryPolicy;
  #special: HostSettings | undefined;
  #tls: TlsSettings;

  /** @throws MounterError (usage) when there is no certificate in `caFile`. */
  constructor(
    {
      caFile,
      plainHttp,
      patience = networkPatience,
    }: Pick<SourceOptions, 'caFile' | 'plainHttp' | 'patience'>,
    trusted = machinesCertificates(),
  ) {
    this.#trusted = caFile === undefined ? trusted : [...trusted, readCertificates(caFile)];
    this.#plainHttp = plainHttp;
    this.#patience = patience;
    this.#tls = tlsOf(this.#trusted, undefined);
  }

  /** One for a host that the node has settings of its own for, and for where it leads. */
  for(special: HostSettings): HttpClient {
    const options = { plainHttp: this.#plainHttp, patience: this.#patience };
    const client = new HttpClient(options, this.#trusted);
    client.#special = special;
    client.#tls = tlsOf(this.#trusted, special);
    return client;
  }

  /** Whether the host may be spoken to without TLS. */
  mayBePlain(host: string): boolean {
    const isAllowed = this.#special?.isPlainAllowed === true && this.#special.host === host;
    return this.#plainHttp || isLoopback(host) || isAllowed;
  }

  /**
   * Follows redirects. Authorization goes to the host it is meant for, and nowhere else.
   * @param headers their names in lower case.
   * @throws RedirectError, or what `exchange` throws.
   */
  async get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpResponse> {
    let [at, sent] = [url, headers];
    for (let redirects = 0; redirects <= mostRedirects; redirects += 1) {
      const response = await this.#exchange(at, sent, signal);
      const location = isRedirect(response.status) ? response.headers.location : undefined;
      if (location === undefined) return response;
      response.discard();
      const next = this.#redirected(at, location);
      const { authorization: _, ...others } = sent;
      if (next.origin !== at.origin) sent = others;
      at = next;
    }
    throw new RedirectError(`more than ${mostRedirects} redirects`);
  }

  /** Follows no redirect: what is posted are secrets. */
  post(url: URL, form: URLSearchParams, signal: AbortSignal): Promise<HttpResponse> {
    return this.#exchange(url, { 'content-type': 'application/x-www-form-urlencoded' }, signal, form);
  }

  async #exchange(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    form?: URLSearchParams,
  ): Promise<HttpResponse> {
    const proxy = proxyFor(url);
    const own = url.host === this.#special?.host ? this.#special.headers : {};
    const settings = { tls: this.#tls, proxy, patience: this.#patience, signal };
    const request = { url, headers: { ...own, ...headers }, ...settings, ...(form && { form }) };
    try {
      return await exchange(request);
    } catch (error) {
      const isOfProxy = proxy !== undefined && !signal.aborted && !isUntrusted(error);
      if (!isOfProxy || !(error instanceof Error)) throw error;
      throw new ProxyError(error, proxy);
    }
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (to === undefined || !/^https?:$/.test(to.protocol)) throw new RedirectError('a redirect to no URL');
    const isDowngrade = from.protocol === 'https:' && to.protocol === 'http:';
    if (to.protocol === 'http:' && (isDowngrade || !this.mayBePlain(to.host)))
      throw new RedirectError(`a redirect to ${to.host} without TLS`);
    return to;
  }
}

/** Whether a certificate was not trusted, by the codes of OpenSSL and BoringSSL. */
export function isUntrusted(error: unknown): boolean {
  return /CERT|SELF_SIGNED|LEAF_SIGNATURE|ISSUER|ALTNAME/.test(codeOf(error)) && !isAlert(error);
}

/** Whether a server that speaks TLS did not want to go on: what it calls bad then is a certificate of ours, or none. */
export function isAlert(error: unknown): boolean {
  return /_ALERT_/.test(codeOf(error));
}

/** The code of an error of the network or of TLS, from the kernel or the runtime; '' for any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function tlsOf(trusted: readonly string[], special: HostSettings | undefined): TlsSettings {
  const { ca: more, clients } = special?.certificates ?? noCertificates;
  const ca = more.length === 0 ? trusted : [...trusted, ...more];
  const ours = { cert: clients.map(({ cert }) => cert), key: clients.map(({ key }) => key) };
  return {
    ca,
    context: () => (clients.length === 0 ? contextOf(ca) : createSecureContext({ ca: [...ca], ...ours })),
    rejectUnauthorized: special?.isUnverified !== true,
  };
}

const contexts = new WeakMap<readonly string[], SecureContext>();

/** Made once for the same list: some hundred certificates take OpenSSL 15 ms. */
function contextOf(ca: readonly string[]): SecureContext {
  const context = contexts.get(ca) ?? createSecureContext({ ca: [...ca] });
  contexts.set(ca, context);
  return context;
}
