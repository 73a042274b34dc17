import { dockerHubNames } from '../reference.ts';

/** How names that credentials are kept under fit an image, by the rules of docker, podman and kubelet. */

/**
 * How well a name fits: by the number of parts of the repository in it, so that the longest comes first; whole
 * parts, as podman has it. `*.example` is any one label before `example`, for kubelet; a name in full goes before it. A URL
 * is that of its host, whatever is behind it, where nothing else fits.
 * @param name `registry.example`, `registry.example/team`, `*.example`, `https://index.docker.io/v1/`.
 * @returns undefined where it does not fit.
 */
export function fit(name: string, host: string, repository: string): number | undefined {
  const [namedHost = '', ...parts] = plainName(name).split('/');
  if (!fitsHost(namedHost, plainName(host))) return undefined;
  const wanted = repository.split('/');
  const isGlob = namedHost.includes('*') ? 0.25 : 0;
  if (parts.every((part, at) => part === wanted[at])) return parts.length - isGlob;
  return /^https?:/i.test(name) ? -0.5 : undefined;
}

/** Label by label, as kubelet's, and the port as it is. */
function fitsHost(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const [labels, wanted] = [pattern.split(/[.:]/), host.split(/[.:]/)];
  const isSamePort = /:\d+$/.exec(pattern)?.[0] === /:\d+$/.exec(host)?.[0];
  return (
    isSamePort &&
    labels.length === wanted.length &&
    labels.every((label, at) => fitsLabel(label, wanted[at] ?? ''))
  );
}

function fitsLabel(pattern: string, label: string): boolean {
  if (!pattern.includes('*')) return pattern === label;
  const literal = pattern.split('*').map((text) => text.replaceAll(/[^\w-]/g, '\\$&'));
  return new RegExp(`^${literal.join('[^.]*')}$`).test(label);
}

/** `https://registry.example/v2/` is an old way to write `registry.example`. */
export function plainName(name: string): string {
  const plain = name.replace(/^https?:\/\//i, '').replace(/(\/v[12])?\/*$/, '');
  const [host = '', ...rest] = plain.split('/');
  return [dockerHubNames.includes(host) ? 'docker.io' : host, ...rest].join('/');
}
