import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { shellWord } from '../shell-word.ts';

/** How words are written so that systemd reads back the very same ones. */

/** A word in quotes, specifiers (`%`) taken literally. @see systemd.syntax(7) "QUOTING" */
export function quoted(word: string): string {
  return `"${plain(word).replace(/["\\]/g, '\\$&')}"`;
}

/**
 * A value that systemd takes whole, such as the path of a condition: no quotes, specifiers taken literally.
 * @throws MounterError (usage) for a control character, which would end the line.
 */
export function plain(value: string): string {
  if (/[\x00-\x1f\x7f]/.test(value)) {
    throw new MounterError('has a control character in it, which no unit can name', {
      subject: value,
      status: exitCode.usage,
      hint: 'use a path and arguments without newlines and the like',
    });
  }
  return value.replaceAll('%', '%%');
}

/**
 * A command line for ExecStart=. The arguments are quoted with `$` taken literally too; in the program's path
 * it is no variable anyway. @see systemd.service(5) "COMMAND LINES"
 */
export function commandLine([program = '', ...args]: readonly string[]): string {
  return [quoted(program), ...args.map((arg) => quoted(arg).replaceAll('$', '$$$$'))].join(' ');
}

/** A command line for sh(1), with quotes around each word that needs them. */
export function shellLine(argv: readonly string[]): string {
  return argv.map(shellWord).join(' ');
}
