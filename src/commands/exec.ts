import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntrance } from '../host/host.ts';
import { enteringArgv } from '../host/programs.ts';
import { nearest } from '../nearest.ts';
import { requireRoot } from '../node/node.ts';
import { isEnterable, notPrepared, requireRootfs, rootfsEntrance } from '../rootfs/entrance.ts';
import { defineCommand } from './command.ts';

export const exec = defineCommand({
  name: 'exec',
  summary: 'run a tool of the rootfs, such as showmount or rpcinfo',
  program: 'COMMAND [ARGUMENT…]',
  flags: {},
  manual: ['Runs a program of the rootfs inside the rootfs, with this terminal and this exit status.'],
  examples: ['mounter exec -- showmount -e server', 'mounter exec -- rpcinfo -p 127.0.0.1'],
  changesNode: true,
  run: async ({ program = [] }, { layout, host, output }) => {
    const [name] = program;
    if (name === undefined)
      throw new MounterError('no command', {
        subject: 'exec',
        status: exitCode.usage,
        hint: 'mounter exec -- showmount -e SERVER',
      });
    requireRoot(host, 'entering the rootfs');
    requireRootfs(host, layout);
    const entry = rootfsEntrance(layout.rootfs, host);
    if (!isEnterable(host, entry)) throw notPrepared(layout.rootfs);
    requireProgram(name, layout.rootfs, host);
    if (isBare(entry, host)) output.err(bare);
    return await runInside(enteringArgv(entry, program));
  },
});

/** @returns the program's own status, or as a shell has it for one that a signal ended. */
async function runInside([program = '', ...args]: readonly string[]): Promise<number> {
  const { execa } = await import('execa');
  const { TERM } = process.env;
  const result = await execa(program, args, {
    stdio: 'inherit',
    reject: false,
    cwd: '/',
    extendEnv: false,
    env: { PATH: searchPath.join(':'), LC_ALL: 'C', ...(TERM === undefined ? {} : { TERM }) },
  });
  return result.exitCode ?? 128 + (result.signal === undefined ? 0 : constants.signals[result.signal]);
}

const searchPath = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Whoever enters the rootfs says of a program that is missing no more than that. @throws MounterError */
function requireProgram(name: string, rootfs: string, host: Host): void {
  const paths = name.includes('/') ? [name] : searchPath.map((directory) => `${directory}/${name}`);
  // What is anywhere else may be mounted: it is in the rootfs only once that is entered.
  const isOwn = paths.every((path) => searchPath.some((directory) => path.startsWith(`${directory}/`)));
  if (!isOwn || paths.some((path) => host.lstat(rootfs + path) !== undefined)) return;
  const directories = searchPath.map((directory) => rootfs + directory);
  const there = directories.filter((directory) => host.stat(directory)?.kind === 'directory');
  const near = nearest(
    name.slice(name.lastIndexOf('/') + 1),
    there.flatMap((one) => readdirSync(one)),
  );
  throw new MounterError('there is no such program in the rootfs', {
    subject: name,
    status: exitCode.helperNotFound,
    hint: near === undefined ? `see what there is: ls ${there.join(' ')}` : `did you mean ${near}?`,
  });
}

/** Before `prepare`: whatever asks the network or a daemon fails there, and says something else of it. */
function isBare(entry: RootfsEntrance, host: Host): boolean {
  return entry.kind === 'chroot' && host.stat(`${entry.directory}/dev/null`)?.kind !== 'device';
}

const bare =
  'mounter: the node is not prepared: the rootfs has neither devices nor /proc yet\nhint: run mounter prepare\n';
