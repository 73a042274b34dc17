import { parseResolvConf, type ResolvConf } from './resolv-conf.ts';

/** A merged resolv.conf, and what had no place in it. */
export interface MergedResolvConf {
  readonly merged: ResolvConf;
  /** In words, e.g. `nameserver 9.9.9.9 (glibc reads 3)`. */
  readonly dropped: readonly string[];
}

/** glibc's MAXNS. @see resolv.conf(5) */
const maximumNameservers = 3;

/** @returns the name servers in `text` that glibc asks. */
export function usedNameservers(text: string): readonly string[] {
  return parseResolvConf(text).nameservers.slice(0, maximumNameservers);
}

/** kubelet's limits for a Pod. Old resolvers cut the list off earlier, some after 6 domains. */
const maximumSearches = 32;
const maximumSearchCharacters = 2048;

/**
 * All name servers and domains in their order, none twice, and all options. A resolver goes on to the next server when
 * one is silent or refuses, and not when it knows no such name: so the cluster's come first, the host's are for when
 * those are out of reach, and `rotate`, which would ask the host's first every other time, is left out.
 */
export function mergeResolvConf(...parts: readonly ResolvConf[]): MergedResolvConf {
  const nameservers = unique(parts.flatMap((part) => part.nameservers));
  const searches = unique(parts.flatMap((part) => part.searches));
  const keptSearches = withinLimits(searches);
  const options = unique(parts.flatMap((part) => part.options));
  const isRotated = options.includes('rotate') && nameservers.length > 1;
  return {
    merged: {
      nameservers: nameservers.slice(0, maximumNameservers),
      searches: keptSearches,
      options: isRotated ? options.filter((option) => option !== 'rotate') : options,
      others: unique(parts.flatMap((part) => part.others)),
    },
    dropped: [
      ...nameservers.slice(maximumNameservers).map((address) => `nameserver ${address} (glibc reads 3)`),
      ...searches.slice(keptSearches.length).map((domain) => `search ${domain} (the list is full)`),
      ...(isRotated ? ['options rotate (the first name server knows the cluster)'] : []),
    ],
  };
}

function withinLimits(searches: readonly string[]): readonly string[] {
  let characters = -1;
  const end = searches.findIndex((domain, index) => {
    characters += domain.length + 1;
    return index >= maximumSearches || characters > maximumSearchCharacters;
  });
  return end < 0 ? searches : searches.slice(0, end);
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
