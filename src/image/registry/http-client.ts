import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { SourceOptions } from '../source/options.ts';
import { exchange, type HttpResponse } from './http.ts';
import { networkPatience, type RetryPolicy } from './retry.ts';

/** A redirect that leads where we do not go. */
export class RedirectError extends Error {}

/** Docker Hub needs one, presigned stores two. */
const mostRedirects = 5;

/** HTTP by the operator's settings: which certificates, whether without TLS, how long. */
export class HttpClient {
  readonly #ca: readonly string[] | undefined;
  readonly #plainHttp: boolean;
  readonly #patience: RetryPolicy;

  /** @throws MounterError (usage) when there is no certificate in `caFile`. */
  constructor({ caFile, plainHttp, patience = networkPatience }: SourceOptions) {
    this.#ca = caFile === undefined ? undefined : [...rootCertificates, readCertificates(caFile)];
    this.#plainHttp = plainHttp;
    this.#patience = patience;
  }

  /** Whether the host may be spoken to without TLS. */
  mayBePlain(host: string): boolean {
    return this.#plainHttp || isLoopback(host);
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

  #exchange(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    form?: URLSearchParams,
  ): Promise<HttpResponse> {
    const settings = { ca: this.#ca, patience: this.#patience, signal };
    return exchange({ url, headers, ...settings, ...(form === undefined ? {} : { form }) });
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

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function readCertificates(file: string): string {
  const text = readFileSync(file, 'utf8');
  if (/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(text)) return text;
  throw new MounterError('has no certificate in it', {
    subject: file,
    status: exitCode.usage,
    hint: "give the CA's certificate as PEM text",
  });
}

/** Whether what is sent to this host stays on this machine. `host` as in a URL or a reference, port or not. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
