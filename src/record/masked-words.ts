import { maskSecrets } from '../mount/options.ts';

/**
 * The words of a command other than mount, as they may be shown: of a URL neither the password nor the query,
 * which may hold a signature; of `exec` the program alone, whose arguments are its own, as a kubelet's are.
 */
export function maskedWords(command: string, argv: readonly string[]): readonly string[] {
  const separator = argv.indexOf('--');
  const own =
    (command === 'exec' || command === 'kubelet') && separator >= 0 ? argv.slice(0, separator + 2) : argv;
  return own.map(masked);
}

function masked(word: string): string {
  const withoutQuery = word.replace(/^([a-z][a-z0-9+.-]*:\/\/[^?#]*)[?#].*$/is, '$1?<masked>');
  return maskSecrets(withoutQuery.replace(/(:\/\/)[^/]*@/s, '$1<masked>@'));
}
