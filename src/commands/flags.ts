import minimist from 'minimist';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import { maskedArguments } from '../secrets.ts';
import { shellWord } from '../shell-word.ts';
import { type Command, callOf, type FlagsOf, type FlagTable, flagsOf } from './command.ts';

/** What of a command its arguments are read by. */
type Grammar = Pick<Command, 'name' | 'call' | 'operands' | 'program' | 'flags'>;

/**
 * Reads the arguments of a command by its description; `--help` is seen to before.
 * @throws MounterError (usage) that names the nearest flag, or the missing or surplus operand.
 */
export function parseFlags<const Table extends FlagTable>(
  command: Grammar & { readonly flags: Table },
  argv: readonly string[],
): FlagsOf<Table> {
  const { own, program } = splitProgram(command, argv);
  const flags = flagsOf(command.flags);
  const switches = flags.filter(({ takesValue }) => !takesValue).map(({ name }) => name);
  const valued = flags.filter(({ takesValue }) => takesValue).map(({ name }) => name);
  const { negative, rest } = takeNegative(command, own, switches);
  refusePrototypeNames(command, own);
  const parsed = minimist([...rest], {
    boolean: switches,
    string: [...valued, '_'],
    alias: Object.fromEntries(
      flags.flatMap(({ name, short }) => (short === undefined ? [] : [[name, short]])),
    ),
    '--': true,
    unknown: (word) => {
      if (word.startsWith('-') && word !== '-') throw unknownFlag(command, word);
      return true;
    },
  });
  // minimist: '' for a flag that nothing follows, false for `--no-FLAG`.
  const empty = valued.find((name) => [parsed[name]].flat().some((value) => value === '' || value === false));
  if (empty !== undefined) throw usage(command, dashed(empty), 'needs a value');
  const operands = [...parsed._, ...(parsed['--'] ?? [])].map(String);
  const has = (name: string) => parsed[name] === true || negative.has(name);
  const isForFlag = flags.some(({ name, standsForOperands }) => standsForOperands && has(name));
  checkOperands(command, operands, isForFlag);
  const defaults = new Map(flags.map((flag) => [flag.name, flag.default]));
  return {
    operands,
    program,
    has,
    value: (name: string) => stringValue(command, name, parsed[name]) ?? defaults.get(name),
    values: (name: string) =>
      [parsed[name] ?? []].flat().flatMap((value: unknown) => stringValue(command, name, value) ?? []),
  } as FlagsOf<Table>;
}

/** What stands behind `--` is another program's, where the command has such. */
function splitProgram({ name, operands, program }: Grammar, argv: readonly string[]) {
  const at = argv.indexOf('--');
  if (program === undefined) return { own: argv, program: undefined };
  if (at >= 0) return { own: argv.slice(0, at), program: argv.slice(at + 1) };
  const [first] = argv;
  if (operands !== undefined || first === undefined || first.startsWith('-'))
    return { own: argv, program: undefined };
  throw new MounterError('the command has no -- before it', {
    subject: first,
    status: exitCode.usage,
    hint: `mounter ${name} -- ${maskedArguments(argv).map(shellWord).join(' ')}`,
  });
}

/** minimist takes `--no-switch` for a `--switch` that is false, and `--switch=word` for one that is true. */
function takeNegative(
  command: Grammar,
  argv: readonly string[],
  names: readonly string[],
): { readonly negative: ReadonlySet<string>; readonly rest: readonly string[] } {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  for (const word of argv.slice(0, end)) {
    const [flag = '', value] = word.split('=');
    if (value !== undefined && flag.startsWith('--') && names.includes(flag.slice(2)))
      throw usage(command, flag, 'takes no value');
    if (flag.startsWith('--no-') && !names.includes(flag.slice(2)) && names.includes(flag.slice(5)))
      throw unknownFlag(command, word);
  }
  const isNegative = (word: string, index: number) =>
    index < end && word.startsWith('--no-') && names.includes(word.slice(2));
  return {
    negative: new Set(argv.filter(isNegative).map((word) => word.slice(2))),
    rest: argv.filter((word, index) => !isNegative(word, index)),
  };
}

/** minimist looks flags up in plain objects: it takes `--__proto__` for one it knows, and trips over it. */
function refusePrototypeNames(command: Grammar, argv: readonly string[]): void {
  const end = argv.indexOf('--');
  for (const word of end < 0 ? argv : argv.slice(0, end)) {
    const name = /^--?(?:no-)?([^=.]*)/.exec(word)?.[1];
    if (name !== undefined && name in Object.prototype) throw unknownFlag(command, word);
  }
}

function stringValue(command: Grammar, name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value;
  throw usage(command, dashed(name), 'given more than once');
}

function checkOperands(command: Grammar, operands: readonly string[], isForFlag: boolean): void {
  const wanted = command.operands?.split(' ') ?? [];
  const missing = wanted[operands.length];
  if (missing !== undefined && !missing.startsWith('[') && !isForFlag)
    throw usage(command, command.name, `${missing} is missing`);
  if (operands.length <= wanted.length || wanted.at(-1)?.includes('…')) return;
  const call = callOf(command).replace(/ --$/, '');
  throw usage(command, operands[wanted.length] ?? '', `is one operand too many for ${call}`);
}

function unknownFlag(command: Grammar, word: string): MounterError {
  const [given = ''] = word.split('=');
  const names = flagsOf(command.flags)
    .filter(({ isInternal }) => !isInternal)
    .map(({ name }) => name);
  const near = nearest(given.replace(/^-+/, ''), [...names, 'help']);
  return usage(command, given, 'unknown option', near === undefined ? '' : `did you mean ${dashed(near)}? `);
}

/** As it is written in a call: `--keep`, `-n`. */
export function dashed(name: string): string {
  return `${name.length === 1 ? '-' : '--'}${name}`;
}

function usage(command: Grammar, subject: string, message: string, first = ''): MounterError {
  const hint = `${first}${first === '' ? 'see' : 'See'} ${callOf(command)} --help`;
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

/** A flag whose value does not fit, or that does not fit the others. */
export function badFlag(name: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject: dashed(name), status: exitCode.usage, hint });
}

/** That of `names` which an operand is. @throws MounterError (usage) that names the nearest. */
export function oneOf<const Name extends string>(
  word: string,
  names: readonly Name[],
  message: string,
): Name {
  const name = names.find((one) => one === word);
  if (name !== undefined) return name;
  const near = nearest(word, names);
  const hint = near === undefined ? `it is one of ${names.join(', ')}` : `did you mean ${near}?`;
  throw new MounterError(message, { subject: word, status: exitCode.usage, hint });
}

/** A value that fits `pattern` as a whole. @throws MounterError (usage) that names the flag. */
export function fitting(name: string, value: string, pattern: RegExp, example: string): string {
  if (pattern.test(value)) return value;
  throw badFlag(name, `${value} is not what this takes`, `such as --${name} ${example}`);
}

const prefix = 'MOUNTER_';

/**
 * @param known names of all variables, ours and others.
 * @throws MounterError (usage) for a variable like one of ours. Not for each that begins so: Kubernetes gives Pods beside
 *   a Service of that name such as MOUNTER_PORT.
 */
export function checkVariables(names: readonly string[], known: readonly string[]): void {
  const ours = known.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  for (const name of names) {
    if (!name.startsWith(prefix) || known.includes(name)) continue;
    const near = nearest(name.slice(prefix.length), ours);
    if (near === undefined) continue;
    throw new MounterError('there is no such variable', {
      subject: name,
      status: exitCode.usage,
      hint: `did you mean ${prefix}${near}? Else unset it`,
    });
  }
}
