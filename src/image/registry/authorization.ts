import { MounterError } from '../../errors.ts';
import { parseJson } from '../source/documents.ts';
import {
  type Attempt,
  CredentialsRefused,
  failure,
  type Login,
  networkFailure,
  statusFailure,
} from './failure.ts';
import type { HttpResponse } from './http.ts';
import type { HttpClient } from './http-client.ts';
import type { Credentials } from './keyring.ts';

/** No token service says more. */
const longestReply = 1_000_000;

export interface Identity {
  readonly http: HttpClient;
  readonly credentials: Credentials | undefined;
  /** Asked for where the registry does not name a scope. */
  readonly repository: string;
  readonly signal: AbortSignal;
}

/**
 * The Authorization header that answers a 401.
 * @returns undefined when the registry wants a password, and there is none.
 * @throws MounterError or Transient when the token service fails.
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export async function authorizationFor(
  header: string | undefined,
  registry: URL,
  identity: Identity,
  attempt: Attempt,
): Promise<string | undefined> {
  const challenges = parseChallenges(header ?? '');
  const isBasic = challenges.some(({ scheme }) => scheme === 'basic');
  const bearer = challenges.find(
    ({ scheme, parameters }) => scheme === 'bearer' && (parameters.realm || !isBasic),
  );
  if (bearer !== undefined) return `Bearer ${await fetchToken(bearer, registry, identity, attempt)}`;
  const { credentials } = identity;
  return isBasic && credentials?.kind === 'password'
    ? basic(credentials.user, credentials.password)
    : undefined;
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

async function fetchToken(
  challenge: Challenge,
  registry: URL,
  identity: Identity,
  attempt: Attempt,
): Promise<string> {
  const realm = realmOf(challenge, registry, identity, attempt);
  const forToken = { ...attempt, what: `${attempt.what}: the token for it`, host: realm.host };
  const response = await askRealm(realm, challenge, identity, forToken);
  const login = identity.credentials === undefined ? 'wanted' : 'sent';
  if (response.status !== 200) throw await refusal(response, forToken, login);
  const body = await response.bytes(longestReply).catch((error) => {
    throw networkFailure(error, forToken);
  });
  const reply = parseJson(body ?? Buffer.of(), 'the reply of the token service', attempt.reference);
  const { token, access_token } = Object(reply) as {
    readonly token?: unknown;
    readonly access_token?: unknown;
  };
  const found = token || access_token;
  // It becomes part of a header.
  if (typeof found === 'string' && /^[\x21-\x7e]+$/.test(found)) return found;
  throw failure(forToken, 'answers without a token', `look at what runs on ${realm.host}`);
}

async function refusal(response: HttpResponse, attempt: Attempt, login: Login): Promise<Error> {
  const problem = await statusFailure(response, attempt, login);
  const isOfCredentials = login === 'sent' && [401, 403].includes(response.status);
  return isOfCredentials && problem instanceof MounterError ? new CredentialsRefused(problem) : problem;
}

/** A registry with TLS whose tokens come without it would make the TLS worthless. */
function realmOf({ parameters }: Challenge, registry: URL, { http }: Identity, attempt: Attempt): URL {
  const text = parameters.realm ?? '';
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = realm?.protocol === 'http:' && registry.protocol === 'http:' && http.mayBePlain(realm.host);
  if (realm !== undefined && (realm.protocol === 'https:' || isPlain)) return realm;
  const where = realm === undefined ? 'nowhere' : `${realm.protocol}//${realm.host}`;
  throw failure(attempt, `wants a token from ${where}`, 'a token service has to be an https URL');
}

async function askRealm(
  realm: URL,
  { parameters }: Challenge,
  { http, credentials, repository, signal }: Identity,
  attempt: Attempt,
): Promise<HttpResponse> {
  const query = new URLSearchParams();
  if (parameters.service !== undefined) query.set('service', parameters.service);
  for (const scope of (parameters.scope ?? `repository:${repository}:pull`).split(' '))
    query.append('scope', scope);
  try {
    if (credentials?.kind === 'identityToken') {
      const grant = { grant_type: 'refresh_token', refresh_token: credentials.token, client_id: 'mounter' };
      for (const [name, value] of Object.entries(grant)) query.set(name, value);
      return await http.post(realm, query, signal);
    }
    const url = new URL(realm);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const isAnonymous = credentials === undefined;
    const headers = isAnonymous ? {} : { authorization: basic(credentials.user, credentials.password) };
    return await http.get(url, headers, signal);
  } catch (error) {
    throw networkFailure(error, attempt);
  }
}

/** One way to identify oneself that a server offers: `Bearer realm="…",service="…"`. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Their names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Parses WWW-Authenticate, of which there may be several in one line:
 *
 *     Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull", Basic realm="x"
 *
 * Anything else in the header is left out.
 * @see RFC 9110, 11.6.1
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const token = /\s*,?\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~:/?-]+)))?/y;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name = '', quoted, bare] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else setParameter(challenges.at(-1)?.parameters, name.toLowerCase(), value);
  }
  return challenges;
}

function setParameter(parameters: Record<string, string> | undefined, name: string, value: string): void {
  if (parameters !== undefined && !(name in Object.prototype)) parameters[name] = value;
}
