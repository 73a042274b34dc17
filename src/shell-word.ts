/** A word for sh(1), in quotes: nothing in it is the shell's. */
export function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
