import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import * as v from 'valibot';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { readText } from '../../host/read-text.ts';
import { about } from '../../host/system-error.ts';
import { jsonOrUndefined } from '../../json.ts';
import { withoutNulls } from '../source/documents.ts';
import { askProgram } from './ask-program.ts';
import type { CredentialSource, Credentials } from './keyring.ts';
import { fit, plainName } from './match.ts';

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

/** What a file has, and where it is. */
export interface AuthFile {
  readonly path: string;
  readonly config: DockerConfig;
}

/** podman's for root, docker's, and kubelet's; all of them in docker's format. */
function authFilePaths({ REGISTRY_AUTH_FILE, DOCKER_CONFIG }: NodeJS.ProcessEnv): readonly string[] {
  return [
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    '/run/containers/0/auth.json',
    `${DOCKER_CONFIG || `${homedir()}/.docker`}/config.json`,
    '/var/lib/kubelet/config.json',
  ];
}

/**
 * @param path the only one, which must be there; else all that a node may have, as far as they are there.
 * @throws MounterError (usage). Its text quotes nothing of the file.
 */
export function readAuthFiles(
  path?: string,
  environment: NodeJS.ProcessEnv = process.env,
): readonly AuthFile[] {
  const paths = path === undefined ? authFilePaths(environment).filter((file) => existsSync(file)) : [path];
  // One that is named may be a pipe, as of `<(COMMAND)`; for what lies in the place of another nobody waits.
  const read = path === undefined ? readText : (file: string) => readFileSync(file, 'utf8');
  return paths.map((file) => ({
    path: file,
    config: parseDockerConfig(
      about(file, () => read(file)),
      file,
    ),
  }));
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
    hint: 'mend it, or move it away and log in again with docker login, or podman login',
  });
}

/**
 * What a file knows for an image, by docker's rules: the helper of the host, or the store, then the file; a helper without
 * a name is the file. podman also keeps `registry.example/team`, and kubelet `*.example`.
 */
export function sourcesIn(
  { path, config }: AuthFile,
  host: string,
  repository: string,
): readonly CredentialSource[] {
  const entries = Object.entries(config.auths).flatMap(([name, entry]) => {
    const fits = fit(name, host, repository);
    const credentials = credentialsOf(entry);
    if (fits === undefined || credentials === undefined) return [];
    return [{ origin: `${path} (${name})`, fit: fits, ask: async () => [credentials] }];
  });
  const own = Object.entries(config.credHelpers).find(([name]) => fit(name, host, '') !== undefined);
  const helper = own === undefined ? config.credsStore : own[1];
  if (!helper) return entries;
  // It goes before the file that names it.
  const best = Math.max(0, ...entries.map((entry) => entry.fit));
  const answer = once(() => askHelper(helper, plainName(host)));
  return [{ origin: `docker-credential-${helper}, as ${path} says`, fit: best, ask: answer }, ...entries];
}

function once<T>(action: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}

function credentialsOf(entry: v.InferOutput<typeof authSchema>): Credentials | undefined {
  if (entry.identitytoken) return { kind: 'identityToken', token: entry.identitytoken };
  const encoded = entry.auth ? Buffer.from(entry.auth, 'base64').toString('utf8') : undefined;
  const colon = encoded?.indexOf(':') ?? -1;
  if (encoded !== undefined && colon > 0)
    return {
      kind: 'password',
      user: encoded.slice(0, colon),
      // Old versions of docker filled it up with NULs.
      password: encoded.slice(colon + 1).replace(/\0+$/, ''),
    };
  if (!entry.username || entry.password === undefined) return undefined;
  return { kind: 'password', user: entry.username, password: entry.password };
}

/** What docker calls Docker Hub in its files. */
const dockerHub = 'https://index.docker.io/v1/';

const helperReply = v.object({ Username: v.string(), Secret: v.pipe(v.string(), v.minLength(1)) });

/** @see https://github.com/docker/docker-credential-helpers#development */
async function askHelper(name: string, host: string): Promise<readonly Credentials[]> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw helperError(program, 'is no name of a program');
  const input = host === 'docker.io' ? dockerHub : host;
  const answer = await askProgram([program, 'get'], { input, limitMs: helperTimeoutMs });
  if ('why' in answer) throw helperError(program, answer.why);
  if (/credentials not found/i.test(answer.stdout)) return [];
  if (answer.status !== 0) throw helperError(program, `failed with status ${answer.status}`);
  const reply = v.safeParse(helperReply, jsonOrUndefined(answer.stdout));
  if (!reply.success) throw helperError(program, 'answered with no user and secret');
  const { Username: user, Secret: password } = reply.output;
  return [
    user === '<token>' ? { kind: 'identityToken', token: password } : { kind: 'password', user, password },
  ];
}

function helperError(program: string, message: string): MounterError {
  return new MounterError(message, {
    subject: program,
    status: exitCode.system,
    hint: "a file with credentials names this program, such as docker's config.json: install or repair it, or take it out there",
  });
}
