import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { execa } from 'execa';
import * as v from 'valibot';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { about } from '../../host/system-error.ts';
import { withoutNulls } from '../source/documents.ts';

/** How to identify oneself to a registry. Nothing of it is ever shown. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** Exchanged for an access token at the registry's token service. */
  | { readonly kind: 'identityToken'; readonly token: string };

const authSchema = v.object({
  auth: v.optional(v.string()),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  identitytoken: v.optional(v.string()),
});
const configSchema = v.object({
  auths: v.optional(v.record(v.string(), authSchema), {}),
  credHelpers: v.optional(v.record(v.string(), v.string()), {}),
  credsStore: v.optional(v.string()),
});
export type DockerConfig = v.InferOutput<typeof configSchema>;

/** docker-credential-ecr-login asks a service of its own for each password; a minute is more than enough. */
const helperTimeoutMs = 60_000;

/**
 * @param path must be there when the operator named it; docker's own file need not.
 * @throws MounterError (usage). Its text quotes nothing of the file.
 */
export function readDockerConfig(path: string | undefined): DockerConfig {
  const file = path ?? `${process.env.DOCKER_CONFIG || `${homedir()}/.docker`}/config.json`;
  if (path === undefined && !existsSync(file)) return { auths: {}, credHelpers: {} };
  return parseDockerConfig(
    about(file, () => readFileSync(file, 'utf8')),
    file,
  );
}

/** What is null or empty is as good as missing, as for docker. */
export function parseDockerConfig(text: string, file: string): DockerConfig {
  const result = v.safeParse(configSchema, text.trim() === '' ? {} : jsonOf(text, file));
  if (result.success) return result.output;
  throw notDockers(file, '');
}

/** The engine's own message would quote the text, and a password with it. */
function jsonOf(text: string, file: string): unknown {
  try {
    return withoutNulls(text);
  } catch (error) {
    throw notDockers(file, `: ${(error as Error).message}`);
  }
}

function notDockers(file: string, why: string): MounterError {
  return new MounterError(`is no valid configuration of docker's${why}`, {
    subject: file,
    status: exitCode.usage,
    hint: 'mend it, or move it away and log in again with docker login; or set DOCKER_CONFIG to the directory of another one',
  });
}

/**
 * The credentials for `host`, by docker's rules: its own helper, then the store, then the file; a helper without a name
 * is the file. The longest name that fits wins: podman also keeps `registry.example/team`.
 * @returns undefined when there are none: then the pull is anonymous.
 * @throws MounterError (system) when a helper fails.
 */
export async function credentialsFor(
  host: string,
  repository: string,
  config: DockerConfig,
): Promise<Credentials | undefined> {
  const name = plainName(host);
  const helper = byName(config.credHelpers, name, '') ?? config.credsStore;
  const kept = helper ? await askHelper(helper, name) : undefined;
  if (kept !== undefined) return kept;
  const entry = byName(config.auths, name, repository);
  if (entry?.identitytoken) return { kind: 'identityToken', token: entry.identitytoken };
  const encoded = entry?.auth ? Buffer.from(entry.auth, 'base64').toString('utf8') : undefined;
  const colon = encoded?.indexOf(':') ?? -1;
  if (encoded !== undefined && colon > 0)
    return {
      kind: 'password',
      user: encoded.slice(0, colon),
      // Old versions of docker filled it up with NULs.
      password: encoded.slice(colon + 1).replace(/\0+$/, ''),
    };
  if (!entry?.username || entry.password === undefined) return undefined;
  return { kind: 'password', user: entry.username, password: entry.password };
}

/** What docker calls Docker Hub in its files. */
const dockerHub = 'https://index.docker.io/v1/';

function byName<T>(entries: Readonly<Record<string, T>>, host: string, repository: string): T | undefined {
  const all = Object.entries(entries);
  // A name with nothing but a version behind the host counts before any other URL of it.
  const plain = new Map([
    ...all.map(ofHost),
    ...all.map(([name, value]) => [plainName(name), value] as const),
  ]);
  const parts = repository.split('/').filter((part) => part !== '');
  for (let length = parts.length; length >= 0; length -= 1) {
    const found = plain.get([host, ...parts.slice(0, length)].join('/'));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A URL is that of its host, whatever is behind it. */
function ofHost<T>([name, value]: readonly [string, T]): readonly [string, T] {
  const [, host = ''] = /^https?:\/\/([^/]+)/i.exec(name) ?? [];
  return [plainName(host), value];
}

/** `https://registry.example/v2/` is an old way to write `registry.example`. */
function plainName(name: string): string {
  const plain = name.replace(/^https?:\/\//i, '').replace(/(\/v[12])?\/*$/, '');
  return plain === 'index.docker.io' || plain === 'registry-1.docker.io' ? 'docker.io' : plain;
}

const helperReply = v.object({ Username: v.string(), Secret: v.pipe(v.string(), v.minLength(1)) });

/** @see https://github.com/docker/docker-credential-helpers#development */
async function askHelper(name: string, host: string): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw helperError(program, 'is no name of a program');
  // By PATH and with our environment: helpers of cloud providers find their own settings there.
  const result = await execa(program, ['get'], {
    input: host === 'docker.io' ? dockerHub : host,
    timeout: helperTimeoutMs,
    reject: false,
    maxBuffer: 1_000_000,
  });
  if (/credentials not found/i.test(result.stdout)) return undefined;
  if (result.failed) throw helperError(program, helperFailure(result));
  const reply = v.safeParse(helperReply, jsonOrNothing(result.stdout));
  if (!reply.success) throw helperError(program, 'answered with no user and secret');
  const { Username: user, Secret: password } = reply.output;
  return user === '<token>'
    ? { kind: 'identityToken', token: password }
    : { kind: 'password', user, password };
}

/** What a program printed says nothing of where a file is to be mended. */
function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function helperFailure(result: {
  readonly timedOut: boolean;
  readonly exitCode?: number | undefined;
}): string {
  if (result.timedOut) return `no answer within ${helperTimeoutMs / 1000} s`;
  return result.exitCode === undefined ? 'could not be run' : `failed with status ${result.exitCode}`;
}

function helperError(program: string, message: string): MounterError {
  return new MounterError(message, {
    subject: program,
    status: exitCode.system,
    hint: "docker's config.json names this program: install or repair it, or set DOCKER_CONFIG to the directory of another one",
  });
}
