import type { Command } from '../../src/commands/command.ts';
import { dashed } from '../../src/commands/flags.ts';
import { usageLines, visible } from '../../src/commands/help.ts';
import { quoted, type Table } from './markdown.ts';

/** A row for each command, and for each sub-command in place of its command. */
export function commandTable(commands: readonly Command[]): Table {
  const rows = commands.flatMap((command) => command.subcommands ?? [command]).map(rowOf);
  return [['command', 'does', 'other flags'], ...rows];
}

/** How it is called, what it does, and the flags that the calls do not show. */
function rowOf(command: Command): readonly string[] {
  const calls = usageLines(command);
  const flags = visible(command.flags).filter(({ name }) => !calls.join(' ').includes(dashed(name)));
  const listed = (words: readonly string[]) => words.map(quoted).join(', ');
  return [listed(calls), command.summary, listed(flags.map(({ term }) => term))];
}
