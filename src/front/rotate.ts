import { runCommand } from '../host/run-command.ts';
import { engine, startChild, variables } from './child.ts';
import { fullExecutable } from './full.ts';

const limits = { deadlineMs: 30_000, terminateMs: 1000 };

/** The full executable begins a new file of the record: it can sum up what was in the old one. */
export async function rotate(): Promise<void> {
  const { MOUNTER_HOME, MOUNTER_MANIFEST } = process.env;
  const ours = Object.entries({ MOUNTER_HOME, MOUNTER_MANIFEST }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  await runCommand(
    { argv: [fullExecutable(), 'log', '--rotate'], ...limits },
    { ...engine, start: async (command, output) => startChild(command, output, [...variables, ...ours]) },
  );
}
