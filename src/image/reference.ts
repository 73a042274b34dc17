import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isDigest } from './digest.ts';

/** Where an image is in a registry. */
export interface ImageReference {
  /** `registry.example`, `127.0.0.1:5000`, `[::1]:5000`; `docker.io` for Docker Hub. */
  readonly registry: string;
  readonly repository: string;
  /** `latest` where the word has neither tag nor digest; undefined where it has only a digest. */
  readonly tag: string | undefined;
  /** `sha256:…`; where it is there, it decides, and the tag is only for the reader. */
  readonly digest: string | undefined;
}

const host = String.raw`(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d{1,5})?`;
const part = String.raw`[a-z0-9]+(?:(?:\.|__|_|-+)[a-z0-9]+)*`;
const pattern = new RegExp(
  String.raw`^(${host})/(${part}(?:/${part})*)(?::([\w][\w.-]{0,127}))?(?:@([^@]+))?$`,
);

/**
 * `registry.example[:port]/path[:tag][@sha256:…]`, by the grammar of Docker and the OCI.
 *
 * A name without a registry's host is refused: Docker Hub, a search list and the node's own registry are all
 * fair guesses, and a node's tools are nothing to guess at.
 * @throws MounterError (usage) that says what is wrong with the word.
 */
export function parseReference(word: string): ImageReference {
  const match = pattern.exec(word);
  const [, registry = '', path = '', tag, digest] = match ?? [];
  if (match === null || !isHost(registry)) throw hasNoHost(word) ? shortName(word) : malformed(word);
  if (digest !== undefined && !isDigest(digest)) throw badDigest(word, digest);
  if (path.length > 255) throw malformed(word);
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const isBare = tag === undefined && digest === undefined;
  return { registry, repository, tag: isBare ? 'latest' : tag, digest };
}

/** Docker's rule: what has a dot or a port, or is `localhost`, is a host and no part of a path. */
function isHost(name: string): boolean {
  return /[.:]/.test(name) || name === 'localhost';
}

function hasNoHost(word: string): boolean {
  const [first = '', ...rest] = word.split('/');
  return rest.length === 0 || !isHost(first);
}

function shortName(word: string): MounterError {
  const isPlausible = /^[a-z0-9][\w./:@-]*$/.test(word);
  return new MounterError('there is no such file, and as an image it names no registry', {
    subject: word,
    status: exitCode.usage,
    hint: isPlausible
      ? `check the path; or name the image's registry, such as docker.io/${word.includes('/') ? '' : 'library/'}${word}`
      : 'name a file, a directory, a URL, or an image such as registry.example/tools:v1',
  });
}

function badDigest(word: string, digest: string): MounterError {
  return new MounterError(`the digest ${digest} is not sha256: and 64 hexadecimal digits`, {
    subject: word,
    status: exitCode.usage,
    hint: 'take the digest from the registry, as in registry.example/tools@sha256:…',
  });
}

function malformed(word: string): MounterError {
  return new MounterError('there is no such file, and it is no name of an image', {
    subject: word,
    status: exitCode.usage,
    hint: 'an image is named registry.example[:port]/path[:tag][@sha256:…], the path in lower case',
  });
}

/** What Docker Hub's registry is called, besides `docker.io`. */
export const dockerHubNames = ['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'];

/**
 * One spelling of a name, or the beginning of one, for all that lead to the same registry: a host has no case, an address
 * is the same in hexadecimal, https has its port, and Docker Hub several names.
 */
export function canonicalName(name: string): string {
  const [registry = '', ...path] = name.split('/');
  const url = `https://${registry}`;
  const host = URL.canParse(url) ? new URL(url).host : registry;
  return [dockerHubNames.includes(host) ? 'docker.io' : host, ...path].join('/');
}
