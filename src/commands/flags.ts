import minimist from 'minimist';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';

/** The flags a command takes; `--help` is seen to before. */
export interface FlagSpecification {
  readonly boolean: readonly string[];
  readonly string: readonly string[];
  /** How many operands may follow, at least and at most. */
  readonly operands: readonly [minimum: number, maximum: number];
}

export interface Flags {
  /** Those after `--` included, which may begin with `-`. */
  readonly operands: readonly string[];
  has(name: string): boolean;
  /** Of one that is given once at most. */
  value(name: string): string | undefined;
  /** Of a repeatable one, in their order. */
  values(name: string): readonly string[];
}

/** @throws MounterError (usage) that names the nearest flag, or the missing or surplus operand. */
export function parseFlags(
  command: string,
  argv: readonly string[],
  specification: FlagSpecification,
): Flags {
  const known = [...specification.boolean, ...specification.string, 'help'];
  refusePrototypeNames(command, argv, known);
  const { negative, rest } = takeNegative(argv, specification.boolean);
  const parsed = minimist([...rest], {
    boolean: [...specification.boolean],
    string: [...specification.string, '_'],
    '--': true,
    unknown: (word) => {
      if (word.startsWith('-')) throw unknownFlag(command, word, known);
      return true;
    },
  });
  const operands = [...parsed._, ...(parsed['--'] ?? [])].map(String);
  checkOperands(command, operands, specification.operands);
  return {
    operands,
    has: (name) => parsed[name] === true || negative.has(name),
    value: (name) => stringValue(command, name, parsed[name]),
    values: (name) =>
      [parsed[name] ?? []].flat().flatMap((value: unknown) => stringValue(command, name, value) ?? []),
  };
}

/** minimist takes `--no-switch` for a `--switch` that is false, whatever flags there are. */
function takeNegative(
  argv: readonly string[],
  names: readonly string[],
): { readonly negative: ReadonlySet<string>; readonly rest: readonly string[] } {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const isNegative = (word: string, index: number) =>
    index < end && word.startsWith('--no-') && names.includes(word.slice(2));
  return {
    negative: new Set(argv.filter(isNegative).map((word) => word.slice(2))),
    rest: argv.filter((word, index) => !isNegative(word, index)),
  };
}

/** minimist looks flags up in plain objects: it takes `--__proto__` for one it knows, and trips over it. */
function refusePrototypeNames(command: string, argv: readonly string[], known: readonly string[]): void {
  const end = argv.indexOf('--');
  for (const word of end < 0 ? argv : argv.slice(0, end)) {
    const name = /^--?(?:no-)?([^=.]*)/.exec(word)?.[1];
    if (name !== undefined && name in Object.prototype) throw unknownFlag(command, word, known);
  }
}

function stringValue(command: string, name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw usage(
    `${name.length === 1 ? '-' : '--'}${name}`,
    Array.isArray(value) ? 'given more than once' : 'needs a value',
    command,
  );
}

function checkOperands(
  command: string,
  operands: readonly string[],
  [minimum, maximum]: readonly [number, number],
): void {
  if (operands.length < minimum) throw usage(command, 'SOURCE is missing', command);
  if (operands.length > maximum)
    throw usage(operands[maximum] ?? '', `is one operand too many for mounter ${command}`, command);
}

function unknownFlag(command: string, word: string, known: readonly string[]): MounterError {
  const name = word.replace(/^-+/, '').split('=')[0] ?? '';
  const near = nearest(name, known);
  return usage(
    word.split('=')[0] ?? word,
    'unknown option',
    command,
    near === undefined ? undefined : `did you mean --${near}?`,
  );
}

function usage(subject: string, message: string, command: string, first?: string): MounterError {
  const see = `see mounter ${command} --help`;
  return new MounterError(message, {
    subject,
    status: exitCode.usage,
    hint: first === undefined ? see : `${first} ${see}`,
  });
}
