import { BlockList, isIP } from 'node:net';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/** A proxy of the environment. */
export interface HttpProxy {
  /** http: or https:, with the user and the password where there are some. */
  readonly url: URL;
  /** What names it, for messages: `HTTPS_PROXY`. */
  readonly variable: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy by which `url` is asked for, by the rules of Go's net/http, and so of docker, containerd and skopeo:
 * HTTPS_PROXY and HTTP_PROXY by the URL's scheme, NO_PROXY, each in small letters too; no other variable; never for
 * what is on this machine.
 * @throws MounterError (usage) for one that cannot be used. Its text quotes nothing of it.
 * @see https://pkg.go.dev/golang.org/x/net/http/httpproxy
 */
export function proxyFor(url: URL, environment: Environment = process.env): HttpProxy | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const variable = [name, name.toLowerCase()].find((each) => environment[each]);
  if (variable === undefined || isDirect(url, environment.NO_PROXY || environment.no_proxy || ''))
    return undefined;
  return { url: parseProxy(environment[variable] ?? '', variable), variable };
}

function parseProxy(text: string, variable: string): URL {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new MounterError(`names ${url === undefined ? 'no URL' : `a proxy of the kind ${url.protocol}//`}`, {
    subject: variable,
    status: exitCode.usage,
    hint: `write http://HOST:PORT or https://HOST:PORT, or take ${variable} out of the environment`,
  });
}

function isDirect(url: URL, noProxy: string): boolean {
  if (isLoopback(url.host)) return true;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy.split(',').some((word) => fits(word.trim().toLowerCase(), host, port));
}

/** Whether what is sent to this host stays on this machine. `host` as in a URL or a reference, port or not. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/**
 * @param word of NO_PROXY: `*`, `10.0.0.0/8`, an address, or a name for itself and all below it, as `example.com`; for
 *   those below it alone, as `.example.com` or `*.example.com`. A port may follow the last three.
 */
function fits(word: string, host: string, port: string): boolean {
  if (word === '*') return true;
  const whole = isInRange(host, word);
  if (whole !== undefined) return whole;
  const [, written = '', wordPort = port] = /^(.*?)(?::(\d+))?$/.exec(word) ?? [];
  if (wordPort !== port) return false;
  const name = written.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '');
  const isIt = isInRange(host, name);
  if (isIt !== undefined) return isIt;
  if (name.startsWith('.')) return host.endsWith(name);
  return name !== '' && (host === name || host.endsWith(`.${name}`));
}

/** @returns undefined where `range` is neither an address nor `ADDRESS/BITS`. */
function isInRange(host: string, range: string): boolean | undefined {
  const [address = '', bits] = range.split('/', 2);
  const longest = { 4: 32, 6: 128 }[isIP(address)];
  const length = Number(bits ?? longest);
  if (longest === undefined || !(length <= longest)) return undefined;
  const family = (text: string) => (isIP(text) === 4 ? 'ipv4' : 'ipv6');
  const list = new BlockList();
  list.addSubnet(address, length, family(address));
  return isIP(host) !== 0 && list.check(host, family(host));
}
