import type { MounterError } from '../../errors.ts';
import { usageError } from './usage-error.ts';

/** One item of an options string: of `vers=4.1` the name is `vers`, the value `4.1` and the text the whole. */
export interface MountOption {
  readonly name: string;
  /** Byte for byte, quotes included; undefined where there is no `=`. */
  readonly value: string | undefined;
  readonly text: string;
}

/**
 * The items of an options string in their order, e.g. of `hard,context="system_u:object_r:x:s0:c1,c2",ro`.
 * Commas inside double quotes do not separate, and empty items are skipped.
 *
 * A backslash escapes nothing: mount.nfs(8), which reads the string after us, splits at `\,`, and what it takes
 * for an option must not hide from us inside another one (libmount since 2.34 would not split there).
 *
 * @throws MounterError usage for a quote that is not closed. libmount silently drops that option and all that
 *   follow in the same string, mount.nfs calls it invalid; so do we, rather than mount without an option asked for.
 */
export function parseOptions(options: string): readonly MountOption[] {
  const items: MountOption[] = [];
  for (let start = 0; start < options.length; ) {
    const end = itemEnd(options, start);
    if (end === undefined) throw unclosedQuote(items.length + 1);
    if (end > start) items.push(toOption(options.slice(start, end)));
    start = end + 1;
  }
  return items;
}

/** The last of `options` that has one of these names: the one that counts where a later spelling overrules. */
export function lastOption(
  options: readonly MountOption[],
  ...names: readonly string[]
): MountOption | undefined {
  return options.findLast((option) => names.includes(option.name));
}

/** The index of the comma that ends the item at `start`, or the length; undefined inside an open quote. */
function itemEnd(options: string, start: number): number | undefined {
  let isQuoted = false;
  for (let at = start; at < options.length; at += 1) {
    if (options[at] === '"') isQuoted = !isQuoted;
    else if (options[at] === ',' && !isQuoted) return at;
  }
  return isQuoted ? undefined : options.length;
}

/** An item that begins with `=` has no value, only an odd name, as in libmount. */
function toOption(text: string): MountOption {
  const equals = text.indexOf('=', 1);
  if (equals < 0) return { name: text, value: undefined, text };
  return { name: text.slice(0, equals), value: text.slice(equals + 1), text };
}

/** Names the place, not the option: what looks like a name may be the half of a password with a comma in it. */
function unclosedQuote(place: number): MounterError {
  const hint = 'close the quote; a value with a double quote of its own can be given in a file only';
  return usageError('-o', `a double quote is not closed in option number ${place} of the list`, hint);
}

/**
 * A name that ends in a word for a secret, and what stands between it and the secret. It is looked for wherever a
 * helper could see one: at the start, after a comma (in quotes too: mount.glusterfs splits there), a quote or a
 * blank, with the dashes of a flag before it; in any case. cifs has pass, password2, cred and `user=NAME%PASSWORD`,
 * ceph has secret and key, drivers of object stores access_key, secret_key and session_token.
 *
 * What follows need not be `=`: who writes `password:x`, `password x` or `password-x` has told the password all the
 * same. So `password-file` is masked from its dash on.
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
 * `options` with the value of every secret replaced by `<masked>`, order and the rest byte for byte; never throws.
 *
 * Where readers differ about the end of a value (`,,` is a comma in a cifs password, `\,` one for libmount, a
 * quote may be left open), the longest reading is masked: too much of a log line is lost rather than a letter of
 * a secret shown.
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
