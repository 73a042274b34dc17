import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  Agent as PlainAgent,
  request as requestPlain,
} from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import { type SecureContext, setDefaultCACertificates } from 'node:tls';
import { Pace } from './pace.ts';
import type { HttpProxy } from './proxy.ts';
import type { RetryPolicy } from './retry.ts';

/**
 * One HTTP exchange. By node:http and not fetch, as only they take a private CA under bun and Node alike, and
 * leave redirects and compressed bytes to us.
 */
export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A form to post; GET without one. */
  readonly form?: URLSearchParams;
  readonly tls: TlsSettings;
  readonly proxy: HttpProxy | undefined;
  readonly patience: RetryPolicy;
  readonly signal: AbortSignal;
}

/** Whom to trust, and who we are. */
export interface TlsSettings {
  /** Certificates to trust, PEM. */
  readonly ca: readonly string[];
  /** With them, and with the certificates of ours for a server that wants one. */
  readonly context: () => SecureContext;
  /** Whether the server has to show that it is the one that was asked. */
  readonly rejectUnauthorized: boolean;
}

/** The server has sent nothing for `idleMs`, or no whole answer: its headers may come as slowly as its body. */
export class SilenceError extends Error {
  constructor(idleMs: number, isAnswered: boolean) {
    super(`no ${isAnswered ? 'byte' : 'answer'} for ${idleMs / 1000} s`);
  }
}

/** A response whose body is yet to be read, by iterating, or to be left by `discard`. */
export class HttpResponse {
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The policy of the request. */
  readonly patience: RetryPolicy;
  readonly #message: IncomingMessage;
  readonly #watch: Watch;

  constructor(url: URL, message: IncomingMessage, watch: Watch, patience: RetryPolicy) {
    this.url = url;
    this.status = message.statusCode ?? 0;
    this.headers = message.headers;
    this.#message = message;
    this.#watch = watch;
    this.patience = patience;
  }

  /** @throws when the connection breaks, or the server falls silent or behind the least speed before the end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    try {
      const pace = new Pace(this.patience);
      let before = performance.now();
      for await (const chunk of this.#message) {
        pace.received((chunk as Buffer).length, performance.now() - before);
        yield chunk as Buffer;
        // The time that the reader took is not counted as silence of the server.
        this.#watch.refresh();
        before = performance.now();
      }
    } catch (error) {
      throw this.#watch.reason ?? error;
    } finally {
      this.discard();
    }
  }

  discard(): void {
    this.#watch.end();
    // We end its connection ourselves: the error that this causes tells nothing.
    this.#message.on('error', () => {});
    this.#message.destroy();
  }

  /** The body when it is short. @returns undefined when it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer | undefined> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this) {
      length += chunk.length;
      if (length > limit) return undefined;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}

/** Ends an exchange when the server is silent or the caller has had enough. */
class Watch {
  reason: unknown;
  #isAnswered = false;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  constructor({ patience: { idleMs }, signal }: HttpRequest, end: (reason: Error) => void) {
    const stop = (reason: unknown) => {
      this.reason = reason;
      this.end();
      end(reason instanceof Error ? reason : new Error('ended'));
    };
    this.#timer = setTimeout(() => stop(new SilenceError(idleMs, this.#isAnswered)), idleMs);
    this.#signal = signal;
    this.#onAbort = () => stop(signal.reason);
    signal.addEventListener('abort', this.#onAbort);
  }

  answered(): void {
    this.#isAnswered = true;
    this.refresh();
  }

  refresh(): void {
    if (this.reason === undefined) this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

/** @throws when there is no answer: node's error, SilenceError, or the signal's reason. */
export function exchange(wanted: HttpRequest): Promise<HttpResponse> {
  const { url, form, tls, proxy, signal, patience } = wanted;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestTls : requestPlain)(withoutUser(url), {
      method: form === undefined ? 'GET' : 'POST',
      headers: { 'user-agent': 'mounter', 'accept-encoding': 'identity', ...wanted.headers },
      agent: agentFor(wanted),
      // The tunnel that a proxy is to make is no request yet that `destroy` could end.
      ...(proxy === undefined ? {} : { timeout: patience.idleMs }),
      ...(url.protocol === 'https:'
        ? { secureContext: tls.context(), rejectUnauthorized: tls.rejectUnauthorized }
        : {}),
    });
    const watch = new Watch(wanted, (reason) => {
      request.destroy(reason);
      reject(reason);
    });
    request.on('response', (message) => {
      watch.answered();
      resolve(new HttpResponse(url, message, watch, wanted.patience));
    });
    // After the response it is the body that fails.
    request.on('error', (error) => {
      watch.end();
      reject(watch.reason ?? error);
    });
    request.end(form?.toString());
  });
}

/** A connection for each exchange, so that one can be closed in the middle of an answer. */
function agentFor({ url, proxy, tls }: HttpRequest): PlainAgent | false {
  if (proxy === undefined) return false;
  // A proxy that speaks TLS itself is looked at by these alone.
  if (proxy.url.protocol === 'https:') setDefaultCACertificates(tls.ca);
  const { href } = proxy.url;
  return url.protocol === 'https:'
    ? new TlsAgent({ proxyEnv: { HTTPS_PROXY: href } })
    : new PlainAgent({ proxyEnv: { HTTP_PROXY: href } });
}

/** node would send them as credentials of its own making. */
function withoutUser(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain;
}
