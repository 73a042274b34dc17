import type { Command } from '../src/commands/command.ts';
import { dashed } from '../src/commands/flags.ts';
import { usageLines, visible } from '../src/commands/help.ts';

/** The table of docs/commands.md, in Markdown: a row for each, and for each sub-command in place of its command. */
export function commandTable(commands: readonly Command[]): string {
  const rows = commands.flatMap((command) => command.subcommands ?? [command]).map(rowOf);
  return [['command', 'does', 'other flags'], ['---', '---', '---'], ...rows].map(lineOf).join('');
}

/** How it is called, what it does, and the flags that the calls do not show. */
function rowOf(command: Command): readonly string[] {
  const calls = usageLines(command);
  const flags = visible(command.flags).filter(({ name }) => !calls.join(' ').includes(dashed(name)));
  return [quoted(calls), command.summary, quoted(flags.map(({ term }) => term))];
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(', ');
}

function lineOf(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === '---' ? cell : ` ${cell.replaceAll('|', '\\|')} `)).join('|')}|\n`;
}
