import { constants } from 'node:os';
import { execa } from 'execa';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { enteringArgv } from '../host/enter.ts';
import type { Host, RootfsEntrance } from '../host/host.ts';
import { requireRoot } from '../node/node.ts';
import { isEnterable, notPrepared, requireRootfs, rootfsEntrance } from '../rootfs/entrance.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** `mounter exec -- COMMAND…` @returns the command's own status. */
export async function exec(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const separator = argv.indexOf('--');
  const own = separator < 0 ? argv : argv.slice(0, separator);
  if (separator < 0 && own[0] !== undefined && !own[0].startsWith('-')) throw noSeparator(own[0]);
  parseFlags('exec', own, { boolean: [], string: [], operands: [0, 0] });
  const command = separator < 0 ? [] : argv.slice(separator + 1);
  if (command.length === 0) {
    throw new MounterError('no command', {
      subject: 'exec',
      status: exitCode.usage,
      hint: 'mounter exec -- showmount -e SERVER',
    });
  }
  requireRoot(host, 'entering the rootfs');
  requireRootfs(host, layout);
  const entry = rootfsEntrance(layout.rootfs, host);
  if (!isEnterable(host, entry)) throw notPrepared(layout.rootfs);
  if (isBare(entry, host)) output.err(bare);
  const [program = '', ...args] = enteringArgv(entry, command);
  const { TERM } = process.env;
  const result = await execa(program, args, {
    stdio: 'inherit',
    reject: false,
    cwd: '/',
    extendEnv: false,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...(TERM === undefined ? {} : { TERM }) },
  });
  return result.exitCode ?? 128 + (result.signal === undefined ? 0 : constants.signals[result.signal]);
}

/** Before `prepare`: whatever asks the network or a daemon fails there, and says something else of it. */
function isBare(entry: RootfsEntrance, host: Host): boolean {
  return entry.kind === 'chroot' && host.stat(`${entry.directory}/dev/null`)?.kind !== 'device';
}

const bare =
  'mounter: the node is not prepared: the rootfs has neither devices nor /proc yet\nhint: run mounter prepare\n';

function noSeparator(word: string): MounterError {
  return new MounterError('the command has no -- before it', {
    subject: word,
    status: exitCode.usage,
    hint: `mounter exec -- ${word} …`,
  });
}
