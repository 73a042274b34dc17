import { posix } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import type { CertificateFiles } from './certificates.ts';

/**
 * containerd's hosts.toml, one for each registry:
 *
 *     server = "https://registry-1.docker.io"
 *     [host."https://mirror.example"]
 *       capabilities = ["pull", "resolve"]
 *       ca = "/etc/certs/mirror.pem"
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/hosts.md
 */

/** One place to ask for what is at a registry. */
export interface HostEntry {
  /** `https:` or `http:` and `host[:port]`; undefined for the registry itself, where it always is. */
  readonly place: { readonly protocol: 'https:' | 'http:'; readonly host: string } | undefined;
  /** Where its interface begins: `/v2`, or '' at the top. */
  readonly root: string;
  readonly capabilities: readonly string[];
  readonly files: CertificateFiles;
  /** TLS was thought of: it is tried where the place has none. */
  readonly hasTls: boolean;
  readonly isUnverified: boolean;
  /** Their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const capability = v.pipe(v.string(), v.toLowerCase(), v.picklist(['pull', 'resolve', 'push']));
const path = v.pipe(v.string(), v.minLength(1));
/** A file with both, or two; the second may be empty. */
const pair = v.union([path, v.strictTuple([path, v.string()])]);
const headerName = v.pipe(v.string(), v.regex(/^[\w!#$%&'*+.^`|~-]+$/));
/** No line breaks in it. */
const headerValue = v.pipe(v.string(), v.regex(/^[\t\x20-\x7e\x80-\xff]*$/));
const settings = {
  capabilities: v.optional(v.array(capability), []),
  ca: v.optional(v.union([path, v.array(path)]), []),
  client: v.optional(v.union([path, v.array(pair)]), []),
  skip_verify: v.optional(v.boolean()),
  header: v.optional(v.record(headerName, v.union([headerValue, v.array(headerValue)])), {}),
  override_path: v.optional(v.boolean(), false),
};
const settingsSchema = v.object(settings);
const url = v.pipe(
  v.string(),
  v.transform((text) => (/^https?:\/\//.test(text) ? text : `https://${text}`)),
  v.url(),
);
const fileSchema = v.object({
  ...settings,
  server: v.optional(v.union([v.literal(''), url]), ''),
  host: v.optional(v.record(url, settingsSchema), {}),
});
type Settings = v.InferOutput<typeof settingsSchema>;

/**
 * @param directory of the file, which relative paths begin at.
 * @returns the hosts in the order in which they are tried, the server last.
 * @throws Error that says where the fault is, and quotes nothing: there may be secrets in it.
 */
export function parseHostsToml(text: string, directory: string): readonly HostEntry[] {
  const { server, host, ...ofServer } = checked(text);
  const hosts = Object.entries(host).map(([place, each]) => entryOf(place, each, directory));
  return [...hosts, entryOf(server, ofServer, directory)];
}

function checked(text: string): v.InferOutput<typeof fileSchema> {
  const result = v.safeParse(fileSchema, parsed(text));
  if (result.success) return result.output;
  const where = v.getDotPath(result.issues[0]) ?? 'it';
  // Somebody may have written a password into a URL.
  throw new Error(`${where.replace(/^(host\.(?:https?:\/\/)?).*@/, '$1')} is not what it should be`);
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new Error(`line ${error.line}, column ${error.column} is no TOML`);
  }
}

function entryOf(server: string, settings: Settings, directory: string): HostEntry {
  const { ca, client, skip_verify: isUnverified, header, capabilities } = settings;
  const absolute = (file: string) => posix.resolve(directory, file);
  const files = {
    ca: [ca].flat().map(absolute),
    clients: (typeof client === 'string' ? [client] : client).map((each) => {
      const [cert, key] = typeof each === 'string' ? [each, ''] : each;
      return { cert: absolute(cert), key: absolute(key === '' ? cert : key) };
    }),
  };
  const hasTls = files.ca.length > 0 || files.clients.length > 0 || isUnverified !== undefined;
  const tls = { files, hasTls, isUnverified: isUnverified === true, headers: headersOf(header) };
  if (server === '') return { place: undefined, root: '/v2', capabilities: allCapabilities, ...tls };
  const { protocol, host, pathname } = new URL(server);
  const place = { protocol: protocol === 'http:' ? protocol : 'https:', host } as const;
  const root = rootOf(pathname, settings.override_path);
  return { place, root, capabilities: capabilities.length === 0 ? allCapabilities : capabilities, ...tls };
}

const allCapabilities = ['pull', 'resolve', 'push'];

function rootOf(pathname: string, isWhole: boolean): string {
  const clean = posix.normalize(pathname).replace(/\/+$/, '');
  return isWhole || clean.endsWith('/v2') ? clean : `${clean}/v2`;
}

function headersOf(header: Settings['header']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(header).map(([name, value]) => [name.toLowerCase(), [value].flat().join(', ')]),
  );
}
