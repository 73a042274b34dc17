import { constants } from 'node:os';
import { execa } from 'execa';
import minimist from 'minimist';
import { usageError } from '../../../scripts/command-line.ts';
import { formatError, MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';
import { type GlusterServer, type GlusterServerRequest, startGlusterServer } from './server/server.ts';

export { ensureServerRootfs } from './server/rootfs.ts';
export {
  type GlusterServer,
  type GlusterServerRequest,
  startGlusterServer,
} from './server/server.ts';

const usage = `Usage: node test/support/gluster/gluster-server.ts [OPTION]... -- COMMAND [ARGUMENT]...
Starts a GlusterFS server, runs COMMAND in its network namespace, stops the server, and exits with COMMAND's
status. COMMAND finds GLUSTER_SERVER (an address), GLUSTER_VOLUME (the first volume) and GLUSTER_BRICK (the
directory that holds its files) in the environment.

  --volume=NAME       a volume to serve; again for more (default: v1)
  --address=ADDRESS   where to serve it (default: 10.77.0.1)
  --network=own       in a network namespace of its own (default)
  --network=current   in the network namespace of this call
  --help              this text
`;

interface CommandLine {
  readonly request: GlusterServerRequest;
  readonly command: readonly string[];
}

const hint = 'see node test/support/gluster/gluster-server.ts --help';

/** @throws MounterError (usage) */
function parseCommandLine(argv: readonly string[]): CommandLine {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    '--': true,
    string: ['volume', 'address', 'network'],
    default: { volume: 'v1', network: 'own' },
    unknown: (word) => {
      unknown.push(word);
      return false;
    },
  });
  const command = flags['--'] ?? [];
  const [word] = unknown;
  if (word !== undefined) throw usageError(word, 'not an option, and COMMAND stands after --', hint);
  if (command.length === 0) throw usageError('COMMAND', 'missing', hint);
  const address: unknown = flags.address;
  const network: unknown = flags.network;
  if (network !== 'own' && network !== 'current')
    throw usageError('--network', 'must be own or current', hint);
  const volumes = [flags.volume].flat().map(String);
  return { request: { volumes, network, ...(typeof address === 'string' ? { address } : {}) }, command };
}

/** Runs `command` in the server's network namespace; its exit status, or 128 and the number of its signal. */
async function runCommand(server: GlusterServer, command: readonly string[]): Promise<number> {
  const [volume = ''] = server.volumes;
  // setpriv: the command ends with us, even if we are killed.
  const [file, ...args] = ['setpriv', '--pdeathsig', 'TERM', '--', ...server.enter, ...command];
  const result = await execa(file ?? '', args, {
    stdio: 'inherit',
    reject: false,
    env: {
      GLUSTER_SERVER: server.address,
      GLUSTER_VOLUME: volume,
      GLUSTER_BRICK: server.brickPath(volume),
    },
  });
  if (result.signal !== undefined) return 128 + constants.signals[result.signal];
  return result.exitCode ?? exitCode.system;
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === '--help') {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const { request, command } = parseCommandLine(argv);
  // The terminal sends ^C to COMMAND too; the server is stopped when COMMAND has ended.
  process.on('SIGINT', () => {});
  await using server = await startGlusterServer(request);
  return await runCommand(server, command);
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    process.stderr.write(formatError(error).replace(/^mounter/, 'gluster-server'));
    process.exitCode = error.status;
  }
}
