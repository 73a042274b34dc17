import { printableLines } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Output } from '../host/output.ts';
import type { Layout } from '../node/layout.ts';

/**
 * A command, described once. The parser of its flags, its help, the overview, docs/commands.md and the record of calls
 * that changed the node derive from this. What a command needs beyond it is imported where it runs: `mounter --help`
 * loads every description.
 */
export interface Command {
  /** The words after `mounter`: `prune`, `manifest daemonset`. */
  readonly name: string;
  /** What stands before its arguments, where that is not `mounter` and its name: `npm run build --`. */
  readonly call?: string;
  /** One line, as it stands in a list of commands. */
  readonly summary: string;
  /** What is given beside flags, as help shows it; an operand in brackets may be left out: `SOURCE`, `[DIGEST]`. */
  readonly operands?: string;
  /** What follows `--`: the words of another program, such as `COMMAND [ARGUMENT…]`. */
  readonly program?: string;
  /** The ways to call it, each without the command's name, where flags and operands alone do not tell them. */
  readonly usage?: readonly string[];
  readonly flags: FlagTable;
  readonly manual: readonly (Paragraph | List)[];
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** Whether a call is for the record even when nothing failed: always, or by its words. */
  readonly changesNode?: true | ((argv: readonly string[]) => boolean);
  /** The first operand chooses one of these; the command itself does nothing then. */
  readonly subcommands?: readonly Command[];
  /**
   * Missing where there are sub-commands, and for `mount`, which the front carries out.
   * @returns the exit status. @throws MounterError
   */
  run?(flags: Flags, context: CommandContext): Promise<number>;
}

/** Broken into lines where it is shown: blanks and newlines in it count as one blank. */
type Paragraph = string;
/** Terms, and what each means. */
type List = readonly (readonly [term: string, text: string])[];

/**
 * The flags of a command as help shows them, and what each means: `{'-v, --verbose': 'say each step'}`. One with a word
 * after its name takes a value. What the parser accepts is what stands here.
 */
export type FlagTable = Readonly<Record<string, string | FlagText>>;

interface FlagText {
  readonly text: string;
  /** Its value where it is not given. */
  readonly default?: string;
  /** With it, the operands may be left out. */
  readonly standsForOperands?: true;
  /** Given by other parts of the mounter alone: help, docs and hints do not show it. */
  readonly isInternal?: true;
}

/** The same, its term taken apart. */
export interface Flag extends FlagText {
  /** As it is written in a call, with its dashes and what help calls its value. */
  readonly term: string;
  /** Without dashes. */
  readonly name: string;
  /** One letter that means the same. */
  readonly short: string | undefined;
  readonly takesValue: boolean;
}

export function flagsOf(table: FlagTable): readonly Flag[] {
  return Object.entries(table).map(([term, text]) => {
    const [, short, name = '', value] = /^(?:-(\w), )?--?([\w-]+)(?: (.+))?$/.exec(term) ?? [];
    return {
      term,
      name,
      short,
      takesValue: value !== undefined,
      ...(typeof text === 'string' ? { text } : text),
    };
  });
}

/** The flags of one call. The names are those of the command's own flags. */
export interface Flags<
  Switch extends string = string,
  Valued extends string = string,
  Defaulted extends string = never,
> {
  readonly operands: readonly string[];
  /** What follows `--` of a command that passes it on; undefined where there is no `--`. */
  readonly program: readonly string[] | undefined;
  has(name: Switch): boolean;
  /** The value of a flag that may be given once, or its default. @throws MounterError (usage) */
  value(name: Defaulted): string;
  value(name: Valued): string | undefined;
  /** The values of a flag that may be repeated, in their order. @throws MounterError (usage) */
  values(name: Valued): readonly string[];
}

/** The flags of a call, by the table that describes them. */
export type FlagsOf<Table extends FlagTable> = Flags<
  NameOf<SwitchTerm<Term<Table>>>,
  NameOf<Exclude<Term<Table>, SwitchTerm<Term<Table>>>>,
  { [T in Term<Table>]: Table[T] extends { readonly default: string } ? NameOf<T> : never }[Term<Table>]
>;

type Term<Table> = keyof Table & string;
/** `-v, --verbose` and `--verbose VALUE` without the letter. */
type Long<T> = T extends `-${string}, ${infer Rest}` ? Rest : T;
type SwitchTerm<T> = T extends unknown ? (Long<T> extends `-${string} ${string}` ? never : T) : never;
type NameOf<T> = Long<T> extends `-${infer Rest}` ? Bare<Rest> : never;
type Bare<T> = T extends `${infer Name} ${string}` ? Bare<Name> : T extends `-${infer Name}` ? Name : T;

/** What every command works with. */
export interface CommandContext {
  readonly layout: Layout;
  readonly host: Host;
  readonly output: Output;
  /** This program's own path, resolved. */
  readonly executable: string;
}

/** How it is called, without arguments: `mounter manifest daemonset`. */
export function callOf({ name, call }: Pick<Command, 'name' | 'call'>): string {
  return call ?? `mounter ${name}`;
}

/** A command whose `run` can ask for the flags that it describes, and for no others. */
export function defineCommand<const Table extends FlagTable>(
  command: Omit<Command, 'flags' | 'run'> & {
    readonly flags: Table;
    run?(flags: FlagsOf<Table>, context: CommandContext): Promise<number>;
  },
): Command {
  return command;
}

/** Of the flag --wide, which every command with tables has. */
export const wideText = 'whole lines and names, where a terminal is too narrow for them';

/** What was done, a line each, or `nothing` where nothing was; safe for a terminal, whatever an image calls its files. */
export function told(done: readonly string[], nothing: string): string {
  return printableLines(`${done.length === 0 ? nothing : done.join('\n')}\n`);
}
