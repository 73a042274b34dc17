import { readFile } from 'node:fs/promises';
import minimist from 'minimist';
import { formatError, MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { buildVm } from './vm/build.ts';
import { runInVm, type VmRun } from './vm/run.ts';

/** The test VM: a User Mode Linux guest with a real kernel NFS client and server. */
export { buildVm } from './vm/build.ts';
export { runInVm, type VmResult, type VmRun } from './vm/run.ts';

const usage = `usage: node test/support/vm.ts [--timeout SECONDS] [--memory MEGABYTES] -- COMMAND…
       node test/support/vm.ts [--timeout SECONDS] [--memory MEGABYTES] --shell-script FILE
       node test/support/vm.ts --build
The repository is /host in the guest. Ends with the command's exit status.
`;

async function main(argv: readonly string[]): Promise<number> {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    string: ['timeout', 'memory', 'shell-script'],
    boolean: ['build', 'help'],
    '--': true,
    unknown: (word) => unknown.push(word) === 0,
  });
  const command = flags['--'] ?? [];
  if (flags.help === true) return say(usage, 0);
  if (unknown[0] !== undefined) return say(`vm: ${unknown[0]}: not an option\n${usage}`, exitCode.usage);
  if (flags.build === true) return say(`${await buildVm()}\n`, 0);
  if (flags['shell-script'] !== undefined) {
    return boot(flags, { script: await readFile(flags['shell-script'], 'utf8') });
  }
  return command.length === 0 ? say(usage, exitCode.usage) : boot(flags, command);
}

async function boot(flags: minimist.ParsedArgs, command: VmRun['command']): Promise<number> {
  const result = await runInVm({
    command,
    ...(flags.timeout === undefined ? {} : { timeoutSeconds: Number(flags.timeout) }),
    ...(flags.memory === undefined ? {} : { memoryMegabytes: Number(flags.memory) }),
    onOutput: (text) => process.stdout.write(text),
  });
  if (result.status !== undefined) return result.status;
  process.stderr.write(result.console);
  return say(`vm: the guest ${result.timedOut ? 'took too long' : 'crashed'}\n`, exitCode.system);
}

function say(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(text);
  return status;
}

if (import.meta.main) {
  // As in `… | head`: the guest goes on to its end.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    process.stderr.write(formatError(error));
    process.exitCode = error.status;
  }
}
