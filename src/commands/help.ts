import { termList, usualWidth, wrapped } from '../columns.ts';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import { type Command, callOf, defineCommand, type Flag, type FlagTable, flagsOf } from './command.ts';
import { oneOf } from './flags.ts';

/** Manual pages: mounter(8), rootfs-manifest.json(5). */
export const pageNames = ['mounter', 'rootfs-manifest.json'] as const;

/** @param commands all there are, this one among them. @param page the text of a manual page. */
export function helpCommand(
  commands: () => readonly Command[],
  page: (name: (typeof pageNames)[number]) => Promise<string>,
): Command {
  return defineCommand({
    name: 'help',
    summary: 'the manual of one command; with --man the pages for man(1)',
    operands: '[COMMAND] [SUBCOMMAND]',
    usage: ['[COMMAND]', '--man [PAGE]'],
    flags: {
      '--man': `a manual page, for man(1), which reads it by mounter help --man | man -l -; PAGE is
        ${pageNames.join(' or ')}, the first if left out`,
    },
    manual: [],
    examples: ['mounter help status', 'mounter help --man rootfs-manifest.json | man -l -'],
    run: async (flags, { output }) => {
      const { operands } = flags;
      if (flags.has('man')) {
        output.out(await page(oneOf(operands[0] ?? pageNames[0], pageNames, 'there is no such page')));
      } else output.out(helpFor(operands, commands()));
      return exitCode.success;
    },
  });
}

/**
 * The manual of the command that the words name, or the overview where they name none.
 * @throws MounterError (usage) for a word that is no command.
 */
export function helpFor(words: readonly string[], commands: readonly Command[]): string {
  const [word, ...others] = words;
  if (word === undefined || (word === 'help' && others.length === 0)) return overview(commands);
  const command = commands.find(({ name }) => name === word);
  if (command === undefined) throw unknown(word, commands);
  const [second] = others;
  if (second === undefined) return manual(command);
  const subcommand = command.subcommands?.find(({ name }) => name === `${word} ${second}`);
  if (subcommand === undefined)
    throw noHelp(words.join(' '), 'has no manual of its own', `see mounter ${word} --help`);
  return manual(subcommand);
}

function unknown(word: string, commands: readonly Command[]): MounterError {
  const near = nearest(
    word,
    commands.map(({ name }) => name),
  );
  const hint = near === undefined ? 'see mounter --help' : `did you mean mounter ${near} --help?`;
  return noHelp(word, 'unknown command', hint);
}

function noHelp(words: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject: words, status: exitCode.usage, hint });
}

/** All commands, a line or two each. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => [inShort(command), command.summary] as const);
  return `mounter: ${purpose}

${termList(rows, 2)}
${paragraph('Called as mount.nfs, mount.nfs4 or mount.glusterfs it is that mount helper.')}
Environment:
${termList(environment, 2)}`;
}

export const purpose = 'NFS and GlusterFS mounts for nodes without storage tools';

export const environment = [
  ['MOUNTER_HOME', 'the directory that it is installed in'],
  ['MOUNTER_MANIFEST', 'its rootfs-manifest.json'],
  ['NO_COLOR', 'a terminal is shown no colours'],
] as const;

/** A call with what cannot be left out: `mounter install SOURCE`. */
function inShort(command: Command): string {
  const { name, subcommands = [] } = command;
  const choice = subcommands.map((one) => one.name.slice(name.length + 1)).join('|');
  const given = wordsAfterFlags(command).replace(/\[[^\]]*\]/g, '');
  return `mounter ${name} ${choice}${given}`.replace(/ +/g, ' ').trimEnd();
}

/** The operands, or what follows `--` where there are none. */
function wordsAfterFlags({ operands, program }: Command): string {
  return operands ?? (program === undefined ? '' : `-- ${program}`);
}

/** How it is called, what it does, its flags, and examples. Fits 80 columns. */
export function manual(command: Command): string {
  const parts = command.subcommands ?? [command];
  const calls = parts.flatMap(usageLines).map((line) => `${callLines(line, 0).join('\n')}\n`);
  const examples = parts
    .flatMap((part) => part.examples)
    .map((line) =>
      exampleLines(line)
        .map((one) => `  ${one}\n`)
        .join(''),
    );
  const sections = [calls.join(''), ...notRepeated(parts).flatMap(described), examples.join('')];
  return sections.filter((section) => section !== '').join('\n');
}

/** For one text about all of them: where a command has all the flags of one before it, its own alone. */
export function notRepeated(commands: readonly Command[]): readonly Command[] {
  return commands.map((command, index) => {
    const bases = commands.slice(0, index).map((earlier) => Object.keys(earlier.flags));
    const repeated = bases.filter((terms) => terms.every((term) => term in command.flags)).flat();
    const flags = Object.entries(command.flags).filter(([term]) => !repeated.includes(term));
    return { ...command, flags: Object.fromEntries(flags) };
  });
}

/** The ways to call a command. */
export function usageLines(command: Command): readonly string[] {
  const { usage, flags } = command;
  if (usage !== undefined) return usage.map((words) => `${callOf(command)} ${words}`);
  const shown = visible(flags);
  const options = shown.length > 5 ? ['[OPTION…]'] : shown.map(({ term }) => `[${term}]`);
  return [[callOf(command), ...options, wordsAfterFlags(command)].join(' ').trimEnd()];
}

/** Prose and flags. */
function described({ manual, flags }: Command): readonly string[] {
  const prose = manual.map((part, index) => {
    if (typeof part !== 'string') return textList(part);
    return `${index === 0 ? '' : '\n'}${paragraph(part)}`;
  });
  return [prose.join(''), textList(visible(flags).map((flag) => [indented(flag), flagText(flag)]))];
}

/** The flags that are anybody's to give. */
export function visible(flags: FlagTable): readonly Flag[] {
  return flagsOf(flags).filter(({ isInternal }) => !isInternal);
}

/** The long names stand below one another. */
function indented({ term }: Flag): string {
  return term.startsWith('--') ? `    ${term}` : term;
}

function flagText({ text, default: usual }: Flag): string {
  return usual === undefined ? text : `${text}; ${usual} if left out`;
}

function paragraph(text: string): string {
  return `${wrapped(withoutBreaks(text), usualWidth).join('\n')}\n`;
}

function textList(rows: readonly (readonly [term: string, text: string])[]): string {
  return termList(
    rows.map(([term, text]) => [term, withoutBreaks(text)]),
    2,
  );
}

function withoutBreaks(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** As a shell reads it. @param beside columns that are not for it. */
export function exampleLines(example: string, beside = 4): readonly string[] {
  const lines = callLines(example, beside);
  return lines.map((line, index) => (index === lines.length - 1 ? line : `${line} \\`));
}

/** A call in lines that fit, broken before a long flag where that is enough; those after the first are indented. */
function callLines(line: string, beside: number): readonly string[] {
  if (line.length <= usualWidth - beside) return [line];
  const width = usualWidth - beside - 4;
  const lines = wrapped(line, width, / (?=--[a-z]|[|([])/).flatMap((part) => wrapped(part, width, / (?=-)/));
  return lines.map((part, index) => (index === 0 ? part : `    ${part}`));
}
