import { MounterError, printable } from '../../errors.ts';
import { sourceError } from '../content.ts';
import { type HttpResponse, SilenceError } from './http.ts';
import { codeOf, isAlert, isUntrusted, ProxyError, RedirectError } from './http-client.ts';
import { SlownessError } from './pace.ts';
import { Transient } from './retry.ts';

/** What was attempted; for the message, should it fail. */
export interface Attempt {
  readonly reference: string;
  /** Such as `the manifest` or `the layer sha256:0123456789ab`. */
  readonly what: string;
  /** The host that was asked. URLs are not shown: those of stores are signed, and whoever has the signature may read. */
  readonly host: string;
}

/** An exchange that ended without an answer, or in the middle of one. Everything but TLS may get better. */
export function networkFailure(error: unknown, attempt: Attempt, hasProgressed = false): Error {
  if (error instanceof RedirectError)
    return failure(attempt, `answers with ${error.message}`, 'look at the registry');
  if (!(error instanceof Error)) return new Error(String(error));
  if (isUntrusted(error)) return certificateFailure(error, attempt);
  if (isAlert(error) && /CERT/.test(codeOf(error))) return wantsCertificate(error, attempt);
  if (error instanceof MounterError) return error;
  if (error instanceof ProxyError) return proxyFailure(error, attempt);
  const { host } = attempt;
  if (error instanceof SlownessError) {
    const hint = `look at ${host} and the line to it, then run the same command again; or bring the image to this node as a file, and install that`;
    return new Transient(failure(attempt, `too slow: ${error.message}`, hint, error), 0, hasProgressed);
  }
  if (!(error instanceof SilenceError) && codeOf(error) === '') return error;
  const hint = `check that ${host} can be reached from this node, then run the same command again`;
  return new Transient(
    failure(attempt, `the connection failed: ${error.message}`, hint, error),
    0,
    hasProgressed,
  );
}

function wantsCertificate(error: Error, attempt: Attempt): MounterError {
  const message = 'wants a certificate of whoever asks, and has not got one that it takes';
  const hint = `put it and its key, as client.cert and client.key, into /etc/docker/certs.d/${attempt.host}`;
  return failure(attempt, message, hint, error);
}

/** What a proxy refuses, it refuses again. */
function proxyFailure(error: ProxyError, attempt: Attempt): Error {
  const { proxy, status = 0 } = error;
  const { host } = attempt;
  const message = `the connection failed: ${error.message}`;
  const hint = proxyHint(proxy, status, host);
  const problem = failure(attempt, message, hint, error);
  return status >= 400 && status < 500 ? problem : new Transient(problem);
}

function proxyHint({ url, variable }: ProxyError['proxy'], status: number, host: string): string {
  const scheme = url.protocol;
  if (status === 407)
    return `give the user of the proxy in ${variable}: ${scheme}//USER:PASSWORD@${url.host}`;
  if (status >= 400 && status < 500)
    return `ask whoever runs ${url.host} to let this node reach ${host}, or name ${host} in NO_PROXY`;
  return `see whether the proxy in ${variable} is right and up, or name ${host} in NO_PROXY to reach it without`;
}

function certificateFailure(error: Error, attempt: Attempt): MounterError {
  const message = `its certificate is not trusted: ${error.message.split(';')[0]}`;
  return failure(
    attempt,
    message,
    "for a server with a private CA, give the CA's certificate with --ca-file, or add it to what this machine trusts",
    error,
  );
}

/** Whether a server wanted to know who asks, and whether we had credentials for it; `inUrl`: none, and there they belong. */
export type Login = 'unasked' | 'wanted' | 'sent' | 'inUrl';

/** An answer that is not what was asked for. 429 and 5xx may get better. */
export async function statusFailure(response: HttpResponse, attempt: Attempt, login: Login): Promise<Error> {
  const { status, headers } = response;
  const said = await saidBy(response);
  const message = `answers ${status}${said === undefined ? '' : ` (${said})`}`;
  const problem = failure(attempt, message, hintFor(status, attempt.host, login));
  const isTransient = status === 408 || status === 429 || status >= 500;
  return isTransient ? new Transient(problem, retryAfterMs(headers['retry-after'])) : problem;
}

function hintFor(status: number, host: string, login: Login): string {
  if (status === 401 && login === 'inUrl') return `name the user in the URL: https://USER:PASSWORD@${host}/…`;
  const isStranger = login === 'wanted' && [401, 403, 404].includes(status);
  if (isStranger || (status === 401 && login === 'unasked'))
    return `log in to ${host} with docker login or podman login, or set DOCKER_CONFIG to the directory of the config.json with its credentials; or check the name and the tag`;
  if (status === 401) return `log in to ${host} again: it does not take these credentials`;
  if (status === 403) return `ask whoever runs ${host} for the right to pull it, or log in as somebody else`;
  if (status === 404) return 'check the name and the tag';
  if (status === 407) return 'give the user of the proxy in HTTP_PROXY: http://USER:PASSWORD@HOST:PORT';
  if (status === 429) return `${host} limits how much may be pulled: log in, or try again later`;
  if (status >= 500) return `something is wrong at ${host}: look there, or try again later`;
  return `look at what runs on ${host}`;
}

/** The registry's own words: `{"errors": [{"message": …}]}`. */
async function saidBy(response: HttpResponse): Promise<string | undefined> {
  try {
    const { errors } = JSON.parse(String(await response.bytes(65_536)));
    const message: unknown = errors?.[0]?.message;
    return typeof message === 'string' && message !== '' ? printable(message.slice(0, 200)) : undefined;
  } catch {
    return undefined; // A page for browsers, or nothing.
  } finally {
    response.discard();
  }
}

/** Seconds or a date. @see RFC 9110, 10.2.3 */
export function retryAfterMs(header: string | undefined, now = Date.now()): number {
  if (header === undefined) return 0;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

/** A token service refuses who we say that we are. */
export class CredentialsRefused extends MounterError {
  constructor(refusal: MounterError) {
    super(refusal.message, refusal);
  }
}

/** A failure that no further try can mend. */
export function failure(
  { reference, what, host }: Attempt,
  message: string,
  hint: string,
  cause?: unknown,
): MounterError {
  return sourceError(reference, `${what}: ${host}: ${message}`, hint, cause);
}
