import type { MounterError } from '../../errors.ts';
import { filesystemKinds } from '../../manifest/filesystem-kinds.ts';
import { getopt, usageError } from './getopt.ts';
import { type FlagName, helperRules, type MountRule, mountRules, type TextName } from './grammar.ts';
import { parseOptions } from './options.ts';

/** What a call of mount(8), or of a mount helper, asks for. */
export interface MountArguments {
  /** The last -t. */
  readonly fstype: string | undefined;
  readonly source: string | undefined;
  readonly target: string | undefined;
  /** All -o values in order, byte for byte, joined by commas, "ro" of -r and "rw" of -w in their places. '' when none. */
  readonly options: string;
  readonly fake: boolean;
  readonly noMtab: boolean;
  readonly sloppy: boolean;
  readonly verbose: boolean;
  readonly noCanonicalize: boolean;
  /** --dry-run, ours. */
  readonly dryRun: boolean;
  /** --json, ours: for the dry run's plan, and for failures. */
  readonly json: boolean;
  /** --asker, ours; the last one. */
  readonly asker: string | undefined;
  readonly help: boolean;
}

/** The names under which the executable is a mount helper for the host's own mount(8). */
export const helperNames = Object.values(filesystemKinds)
  .flat()
  .map((type): HelperName => `mount.${type}`);

export type HelperName = `mount.${string}`;

/** @returns undefined when argv[0] is no helper's name. */
export function helperNameOf(argv0: string): HelperName | undefined {
  return helperNames.find((name) => name === argv0.slice(argv0.lastIndexOf('/') + 1));
}

/** The values of each text in their order, and which flags were given. */
interface Collected {
  readonly texts: Readonly<Record<TextName, readonly string[]>>;
  readonly flags: readonly FlagName[];
  readonly positionals: readonly string[];
}

/**
 * Reads a call of mount(8), e.g. `['-t', 'nfs', '-o', 'ro', 'server:/x', '/mnt']`. One operand alone is the target, or
 * whatever --source or --target leaves.
 * @throws MounterError usage, never repeating a value.
 * @see mount(8); where its page is silent, what util-linux 2.38 does.
 */
export function parseMountArguments(argv: readonly string[]): MountArguments {
  return mountArguments(collect(argv, mountRules));
}

/**
 * Reads a call of a mount helper: `SOURCE TARGET [-sfnv] [-N namespace] [-o options] [-t type.subtype]`. The filesystem
 * type is the one in the helper's name; -t may only add a subtype.
 * @throws MounterError usage, never repeating a value.
 * @see mount(8) "EXTERNAL HELPERS"
 */
export function parseHelperArguments(name: HelperName, argv: readonly string[]): MountArguments {
  const collected = collect(argv, helperRules);
  const fstype = name.slice('mount.'.length);
  for (const type of collected.texts.types) {
    if (type !== fstype && !type.startsWith(`${fstype}.`))
      throw usageError(
        '-t',
        `${name} mounts ${fstype} only`,
        'leave -t out, or call the helper of that type',
      );
  }
  return { ...mountArguments(collected), fstype };
}

function collect(argv: readonly string[], rules: readonly MountRule[]): Collected {
  const { options, positionals } = getopt(argv, rules);
  const texts: Record<TextName, string[]> = {
    types: [],
    options: [],
    source: [],
    target: [],
    asker: [],
  };
  const flags: FlagName[] = [];
  for (const { rule, name, value } of options) {
    if (rule.refused !== undefined) throw usageError(name, 'mounter does not take this option', rule.refused);
    if ('flag' in rule) flags.push(rule.flag);
    else texts[rule.text].push(rule.implies ?? value ?? '');
  }
  return { texts, flags, positionals };
}

function mountArguments(collected: Collected): MountArguments {
  const { texts, flags } = collected;
  const fstype = texts.types.at(-1);
  if (fstype === '') throw usageError('-t', 'the filesystem type is empty', 'write -t nfs or -t glusterfs');
  return {
    fstype,
    ...operands(collected),
    options: joinOptions(texts.options),
    fake: flags.includes('fake'),
    noMtab: flags.includes('noMtab'),
    sloppy: flags.includes('sloppy'),
    verbose: flags.includes('verbose'),
    noCanonicalize: flags.includes('noCanonicalize'),
    dryRun: flags.includes('dryRun'),
    json: flags.includes('json'),
    asker: texts.asker.at(-1),
    help: flags.includes('help'),
  };
}

/** Operands fill what --source and --target leave: two make both, one the target, or the source of --target. */
function operands({ texts, positionals }: Collected): Pick<MountArguments, 'source' | 'target'> {
  const named = { source: once('--source', texts.source), target: once('--target', texts.target) };
  const free = [...positionals];
  const target = named.target ?? free.pop();
  const source = named.source ?? free.shift();
  if (free.length > 0) throw tooManyOperands();
  if (source === '') throw usageError('source', 'the source is empty', 'write SERVER:/PATH or SERVER:VOLUME');
  if (target === '') throw usageError('target', 'the target is empty', 'write the directory to mount on');
  return { source, target };
}

function tooManyOperands(): MounterError {
  const hint = 'give SOURCE and TARGET once; options go behind -o as one word, with no blank after a comma';
  return usageError(undefined, 'more operands than one SOURCE and one TARGET', hint);
}

/** mount(8) lets the last one win; of two sources one is a mistake, and mounting the other would hide it. */
function once(name: string, [value, ...more]: readonly string[]): string | undefined {
  if (more.length > 0) throw usageError(name, 'the option is given more than once', `give ${name} once`);
  return value;
}

function joinOptions(values: readonly string[]): string {
  for (const value of values) {
    // mount(8) refuses these too ("unsupported option format"): `-o=ro`, or quotes that the shell left in place.
    if (/^[='" \t]/.test(value))
      throw usageError('-o', 'the options begin with a blank, a quote or "="', 'write -o NAME=VALUE,NAME');
    parseOptions(value); // each by itself: two halves of a quote in two -o don't make a whole
  }
  return values.filter((value) => value !== '').join(',');
}
