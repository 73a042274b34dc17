import { readdirSync } from 'node:fs';
import { installedDigests } from '../../image/versions/versions.ts';
import { filesystemKinds } from '../../manifest/filesystem-kinds.ts';
import type { Layout } from '../../node/layout.ts';
import type { Command, Flag } from '../command.ts';
import { dashed } from '../flags.ts';
import { pageNames, visible } from '../help.ts';

/** What may stand where the cursor is. */
export interface Offer {
  readonly words: readonly Offered[];
  /** Whether names of files may stand there too, or of directories alone. */
  readonly paths?: 'files' | 'directories';
}

/** A word as a whole, and what it means. */
type Offered = readonly [word: string, meaning: string];

interface Place {
  /** Those before the cursor. */
  readonly words: readonly string[];
  readonly commands: readonly Command[];
  readonly layout: Layout;
}

/**
 * What help calls a value or an operand → what may stand for it. Nothing is known of any other. Where a command means
 * something of its own, its name stands before.
 */
const known: Readonly<Record<string, (place: Place) => Offer>> = {
  FILE: anyFile,
  DIR: anyDirectory,
  'PATH[:slave|shared]': anyDirectory,
  'install SOURCE': anyFile,
  'mount TARGET': anyDirectory,
  TYPE: () => offered(Object.values(filesystemKinds).flat()),
  ARCH: () => offered(['amd64', 'arm64']),
  'linux/ARCH[/VARIANT]': () => offered(['linux/amd64', 'linux/arm64']),
  DIGEST: ({ layout }) => offered(orNone(() => installedDigests(layout))),
  'help COMMAND': ({ words: before, commands }) =>
    before.includes('--man')
      ? offered(pageNames)
      : { words: commands.map(({ name, summary }) => [name, summary]) },
  'help SUBCOMMAND': ({ words, commands }) =>
    subcommandsOf(commands.find(({ name }) => name === words.at(-1))),
  'exec COMMAND': ({ layout }) => ({ ...offered(programs(layout.rootfs)), paths: 'files' }),
};

/**
 * @param words those behind `mounter`, to the cursor; the last is the one that is being written, or ''.
 * @returns what begins as that word does.
 */
export function offerFor(words: readonly string[], commands: readonly Command[], layout: Layout): Offer {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const { words: all, paths } = offerAt({ words: before, commands, layout }, current);
  const fitting = all.filter(([word]) => word.startsWith(current));
  return paths === undefined ? { words: fitting } : { words: fitting, paths };
}

/** For the scripts: a line for each word, its meaning behind a tabulator; `:files` and `:directories` ask for those. */
export function offerText({ words, paths }: Offer): string {
  const lines = words.map(([word, meaning]) => `${word}\t${meaning.replace(/\s+/g, ' ').trim()}`);
  return [...lines, ...(paths === undefined ? [] : [`:${paths}`])].map((line) => `${line}\n`).join('');
}

function offerAt(place: Place, current: string): Offer {
  const { words, commands } = place;
  const [name, second] = words;
  const command = commands.find((one) => one.name === name);
  if (command === undefined) return name === undefined ? allCommands(place) : none;
  if (command.subcommands === undefined) return inCommand(command, words.slice(1), place, current);
  const subcommand = command.subcommands.find((one) => one.name === `${name} ${second}`);
  if (subcommand !== undefined) return inCommand(subcommand, words.slice(2), place, current);
  return second === undefined ? subcommandsOf(command) : none;
}

/** @param given behind the command. */
function inCommand(command: Command, given: readonly string[], place: Place, current: string): Offer {
  const { program, flags } = command;
  const end = given.indexOf('--');
  // What another program takes nobody here knows.
  if (end >= 0 && program !== undefined)
    return end === given.length - 1 ? (known[`${command.name} COMMAND`] ?? anyFile)(place) : anyFile();
  const shown = visible(flags);
  const [, flagBefore = '', begun = ''] = /^(--[\w-]+=)(.*)$/s.exec(current) ?? [];
  if (flagBefore !== '') {
    const valued = shown.find(({ name }) => `--${name}=` === flagBefore);
    const { words, ...rest } = valued === undefined ? none : offerForValue(valued, command, place, begun);
    return { ...rest, words: words.map(([word, meaning]) => [flagBefore + word, meaning]) };
  }
  const open = shown.find((flag) => flag.takesValue && spellings(flag).includes(given.at(-1) ?? ''));
  if (open !== undefined) return offerForValue(open, command, place, current);
  if (current.startsWith('-')) return { words: [...shown.map(asOffered), ['--help', 'how it is called']] };
  const operands = given.filter((word, index) => !word.startsWith('-') && !isValue(given[index - 1], shown));
  const wanted = operandsOf(command)[operands.length];
  return wanted === undefined ? none : standingFor(wanted, command, place);
}

/** The names of its operands; how mount is called says flags as well. */
function operandsOf({ operands = '', usage }: Command): readonly string[] {
  const text = operands.startsWith('-') ? (usage?.[0] ?? operands) : operands;
  return text.replace(/\[-[^\]]*\]|-\w [A-Z]+/g, '').match(/\S+/g) ?? [];
}

function isValue(before: string | undefined, flags: readonly Flag[]): boolean {
  return flags.some((flag) => flag.takesValue && spellings(flag).includes(before ?? ''));
}

function spellings({ name, short }: Flag): readonly string[] {
  return [name, short ?? []].flat().map(dashed);
}

function asOffered({ name, text }: Flag): Offered {
  return [dashed(name), text];
}

/** What a flag takes is the word behind its name in help. */
function offerForValue({ term }: Flag, command: Command, place: Place, begun: string): Offer {
  const value = term.slice(term.lastIndexOf(' ') + 1);
  // ARCH=URL: the part before is known.
  const [, first = value] = /^\[?([A-Z]+)=/.exec(value) ?? [];
  if (first === value) return standingFor(value, command, place);
  return begun.includes('=') ? none : endingWith('=', standingFor(first, command, place));
}

function endingWith(mark: string, { words }: Offer): Offer {
  return { words: words.map(([word, meaning]) => [word + mark, meaning]) };
}

/** @param name as help has it: `DIR`, `[DIGEST]`, `[prepare|statd]`. */
function standingFor(name: string, command: Command, place: Place): Offer {
  const word = /^\[.*\]$/.test(name) ? name.slice(1, -1) : name;
  const found = known[`${command.name} ${word}`] ?? known[word];
  if (found !== undefined) return found(place);
  return /^[a-z-]+(\|[a-z-]+)+$/.test(word) ? offered(word.split('|')) : none;
}

const none: Offer = { words: [] };

function anyFile(): Offer {
  return { words: [], paths: 'files' };
}

function anyDirectory(): Offer {
  return { words: [], paths: 'directories' };
}

function offered(words: readonly string[]): Offer {
  return { words: words.map((word) => [word, '']) };
}

function allCommands({ commands }: Place): Offer {
  const words = commands.map(({ name, summary }): Offered => [name, summary]);
  return { words: [...words, ['--help', 'all commands'], ['--version', 'of this executable']] };
}

function subcommandsOf(command: Command | undefined): Offer {
  const { name = '', subcommands = [] } = command ?? {};
  return { words: subcommands.map((one) => [one.name.slice(name.length + 1), one.summary]) };
}

/** Of the rootfs; only root sees them. */
function programs(rootfs: string): readonly string[] {
  const directories = ['usr/sbin', 'usr/bin'].map((directory) => `${rootfs}/${directory}`);
  return [...new Set(directories.flatMap((directory) => orNone(() => readdirSync(directory))))];
}

function orNone(list: () => readonly string[]): readonly string[] {
  try {
    return list();
  } catch {
    return [];
  }
}
