import minimist from 'minimist';
import type { MounterError } from '../../errors.ts';
import { filesystemKinds } from '../../manifest/filesystem-kinds.ts';
import { type FoundOption, getopt } from './getopt.ts';
import { flagNames, helperRules, type MountRule, mountRules, textNames } from './grammar.ts';
import { parseOptions } from './options.ts';
import { usageError } from './usage-error.ts';

/** What a call of mount(8), or of a mount helper, asks for. */
export interface MountArguments {
  /** The last -t. */
  readonly fstype: string | undefined;
  readonly source: string | undefined;
  readonly target: string | undefined;
  /**
   * All -o values in order, byte for byte, joined by commas; -r adds "ro" and -w "rw" in its place, so that
   * the last of them wins as in mount(8). '' when none.
   */
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

/** What minimist collects: a text given once is a string, given again an array. */
type Collected = { readonly [Name in (typeof flagNames)[number]]: boolean } & {
  readonly [Name in (typeof textNames)[number]]?: string | readonly string[];
} & { readonly positionals: readonly string[] };

/**
 * Reads a call of mount(8), e.g. `['-t', 'nfs', '-o', 'ro', 'server:/x', '/mnt']`: argv without the program's
 * name and without the word `mount`. One operand alone is the target, or whatever --source or --target leaves.
 *
 * @throws MounterError usage, never repeating a value.
 * @see mount(8); where its page is silent, what util-linux 2.38 does.
 */
export function parseMountArguments(argv: readonly string[]): MountArguments {
  return mountArguments(collect(argv, mountRules));
}

/**
 * Reads a call of a mount helper: `SOURCE TARGET [-sfnv] [-N namespace] [-o options] [-t type.subtype]`, argv
 * without the program's name. The filesystem type is the one in the helper's name; -t may only add a subtype.
 *
 * @throws MounterError usage, never repeating a value.
 * @see mount(8) "EXTERNAL HELPERS"
 */
export function parseHelperArguments(name: HelperName, argv: readonly string[]): MountArguments {
  const collected = collect(argv, helperRules);
  const fstype = name.slice('mount.'.length);
  for (const type of all(collected.types)) {
    if (type !== fstype && !type.startsWith(`${fstype}.`))
      throw usageError(
        '-t',
        `${name} mounts ${fstype} only`,
        'leave -t out, or call the helper of that type',
      );
  }
  return { ...mountArguments(collected), fstype };
}

/** Hands minimist what it can't misread: one `--name` or `--name=value` for each option, no operand. */
function collect(argv: readonly string[], rules: readonly MountRule[]): Collected {
  const { options, positionals } = getopt(argv, rules);
  const settings = { string: [...textNames], boolean: [...flagNames] };
  return { ...minimist<Omit<Collected, 'positionals'>>(options.map(canonicalWord), settings), positionals };
}

function canonicalWord({ rule, name, value }: FoundOption<MountRule>): string {
  if (rule.refused !== undefined) throw usageError(name, 'mounter does not take this option', rule.refused);
  const text = rule.implies ?? value;
  return text === undefined ? `--${rule.collectedAs}` : `--${rule.collectedAs}=${text}`;
}

function mountArguments(collected: Collected): MountArguments {
  const { fake, noMtab, sloppy, verbose, noCanonicalize, dryRun, json, help } = collected;
  const fstype = all(collected.types).at(-1);
  if (fstype === '') throw usageError('-t', 'the filesystem type is empty', 'write -t nfs or -t glusterfs');
  return {
    fstype,
    ...operands(collected),
    options: joinOptions(all(collected.options)),
    fake,
    noMtab,
    sloppy,
    verbose,
    noCanonicalize,
    dryRun,
    json,
    help,
  };
}

/** Operands fill what --source and --target leave: two make both, one the target, or the source of --target. */
function operands(collected: Collected): Pick<MountArguments, 'source' | 'target'> {
  const named = { source: once('--source', collected.source), target: once('--target', collected.target) };
  const free = [...collected.positionals];
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
function once(name: string, found: string | readonly string[] | undefined): string | undefined {
  const [value, ...more] = all(found);
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

function all(found: string | readonly string[] | undefined): readonly string[] {
  return [found ?? []].flat();
}
