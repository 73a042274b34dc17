/**
 * A name that ends in a word for a secret, wherever a helper could see one: at the start, after a comma (in quotes too:
 * mount.glusterfs splits there), a quote, a blank, or dashes. cifs has pass, password2, cred and `user=NAME%PASSWORD`,
 * ceph secret and key, object stores access_key, secret_key and session_token. What follows need not be `=`: who writes
 * `password:x`, `password x` or `password-x` has told it all the same.
 */
function secretNames(): RegExp {
  return new RegExp(
    String.raw`(?:^|[,"'\s])-{0,2}((?:[a-z0-9]+[._-])*` +
      '(?:pass(?:word|wd|code)?s?|pwd|auth(?:orization)?|bearer|creds?|keys?|' +
      '[a-z0-9]*?(?:passphrase|token|secret|credential|(?:access|api|auth|client|private|secret|session)key)s?)' +
      String.raw`\d?|(user(?:name)?))(?:\s{0,9}[=:;\uff1d\uff1a]|(?=[^a-z0-9,]))`,
    'gi',
  );
}

/** Of a source, `secret.example:/x`: no password of a sane mind begins with a slash behind a colon. */
function isServerName(name: string, rest: string): boolean {
  return /^[\w.-]*:\//.test(rest) && !/^(pass[a-z]*|pwd)\d?$/i.test(name);
}

/**
 * `options` with the value of every secret replaced by `<masked>`, the rest byte for byte; never throws. Where readers
 * differ about the end of a value (`,,` in a cifs password, libmount's `\,`, an open quote), the longest one is masked.
 */
export function maskSecrets(options: string): string {
  let masked = '';
  let shown = 0;
  for (const { start, end } of secretsIn(options)) {
    masked += `${options.slice(shown, start)}<masked>`;
    shown = end;
  }
  return masked + options.slice(shown);
}

/** `text`, a helper's that was given `options`, without the secrets in them: `mount.nfs -v` tells all it was told. */
export function hideSecrets(options: string, text: string): string {
  if (text === '') return text;
  return secretsIn(options).reduce((hidden, { named, start, end }) => {
    const value = options.slice(start, end);
    const withName = hidden.replaceAll(options.slice(named, end), `${options.slice(named, start)}<masked>`);
    return [value.replace(/^[\s"'=:;]+|[\s"']+$/g, ''), value].reduce(
      // A value of a letter or two is part of many words; with its name it is gone already.
      (shown, secret) => (secret.length < 3 ? shown : shown.replaceAll(secret, '<masked>')),
      withName,
    );
  }, text);
}

/** Where the name of a secret and its value begin, and where the value ends; in their order, none within another. */
function secretsIn(
  options: string,
): readonly { readonly named: number; readonly start: number; readonly end: number }[] {
  if (!mayHoldSecret(options.toLowerCase())) return [];
  const found: { named: number; start: number; end: number }[] = [];
  let users = 0;
  for (const match of options.matchAll(secretNames())) {
    const [whole, name = '', user] = match;
    const named = match.index + whole.search(/[a-z0-9]/i);
    if (named < (found.at(-1)?.end ?? 0)) continue;
    if (match.index === 0 && isServerName(name, options.slice(named + name.length))) continue;
    const start = match.index + whole.length;
    const end = secretEnd(options, start);
    if (user !== undefined) users += 1;
    if (user === undefined || users > mostUsers || options.slice(start, end).includes('%'))
      found.push({ named, start, end });
  }
  return found;
}

/** So many may be without a password; a list of thousands is no list of options, and would take minutes. */
const mostUsers = 100;

/** Every mount asks this, and most need not have the expression above compiled. */
function mayHoldSecret(options: string): boolean {
  for (const word of ['pass', 'pwd', 'secret', 'cred', 'key', 'token', 'auth', 'bearer', 'user'])
    if (options.includes(word)) return true;
  return false;
}

function secretEnd(options: string, start: number): number {
  let isQuoted = false;
  for (let at = start; at < options.length; at += 1) {
    const character = options[at];
    if (character === '\\' && options[at + 1] === '"') return options.length; // a quote or not: readers differ
    if (character === '\\' && options[at + 1] === ',') at += 1;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ',' && options[at + 1] === ',') at += 1;
    else if (character === ',' && !isQuoted) return at;
  }
  return options.length;
}

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
export const passesOn: readonly string[] = ['exec', 'kubelet', 'unit', 'completion'];

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
