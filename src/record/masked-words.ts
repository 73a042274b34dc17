import { maskSecrets } from '../secrets.ts';

/**
 * The words of a command other than mount, as they may be shown: of a URL neither the password nor the query,
 * which may hold a signature; of `exec` and of a kubelet the program alone, whose arguments are its own.
 */
export function maskedWords(command: string, argv: readonly string[]): readonly string[] {
  const separator = argv.indexOf('--');
  if (!passesOn.includes(command) || separator < 0) return maskedArguments(argv);
  const program = argv.slice(separator + 1, separator + 2).filter((word) => !word.startsWith('-'));
  return maskedArguments([...argv.slice(0, separator + 1), ...program]);
}

/** Commands that hand on what stands behind `--`. */
export const passesOn: readonly string[] = ['exec', 'kubelet', 'unit'];

/** The same for the arguments of any program: the value of a flag may be the next word (`--token VALUE`). */
export function maskedArguments(words: readonly string[]): readonly string[] {
  return words.map((word, index) =>
    isSecretFlag(words[index - 1]) && !word.startsWith('-') ? '<masked>' : masked(word),
  );
}

function isSecretFlag(word = ''): boolean {
  return /^--?[a-z]/i.test(word) && !/[=:\s]/.test(word) && maskSecrets(`${word}=x`) !== `${word}=x`;
}

function masked(word: string): string {
  const withoutQuery = word.replace(/^([a-z][a-z0-9+.-]*:\/\/[^?#]*)[?#].*$/is, '$1?<masked>');
  return maskSecrets(withoutQuery.replace(/(:\/\/)[^/]*@/s, '$1<masked>@'));
}
