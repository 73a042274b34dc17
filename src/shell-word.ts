/** A word for sh(1), in quotes: nothing in it is the shell's. */
export function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The same, bare where nothing in it is the shell's: for what is shown to people, who paste it. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : shellQuoted(text);
}
