import { writeSync } from 'node:fs';
import { formatError, type MounterError } from './errors.ts';
import { exitCode } from './exit-codes.ts';
import { nodeHost } from './host/node-host.ts';
import { type Output, standardOutput } from './host/output.ts';
import { calledByFront, callerMark } from './host/programs.ts';
import { asMounterError, callError } from './host/system-error.ts';
import { helperNameOf } from './mount/arguments/argv.ts';
import type { Layout } from './node/layout.ts';
import { findLayout } from './node/node.ts';
import { Call, type WriteRecord } from './record/call.ts';
import { namespaceOutsideKubeletChroot } from './rootfs/kubelet-chroot.ts';

/** The full executable: argv[0] and the first word choose the command; the exit status is set here and nowhere else. */
async function main(argv0: string, argv: readonly string[], output: Output): Promise<number> {
  const helperName = process.env[callerMark] === calledByFront ? undefined : helperNameOf(argv0);
  const [command = '', ...rest] = helperName === undefined ? argv : ['mount', ...argv];
  const call = new Call(command, helperName, { now: nodeHost.now, pid: process.pid, write });
  let layout: Layout | undefined;
  const record = async (end: number | MounterError) =>
    (await import('./record/log.ts')).recordEnd(end, { call, argv: rest, host: nodeHost, layout });
  try {
    if (['mount', 'volume'].includes(command))
      return await (await import('./commands/mount.ts')).becomeFront();
    // Of /proc/self/exe: without symlinks already.
    const executable = process.execPath;
    const namespace = namespaceOutsideKubeletChroot(nodeHost);
    if (namespace !== undefined) await leaveKubeletChroot(namespace);
    const { changesNode, checkEnvironment, runCommand } = await import('./commands/table.ts');
    checkEnvironment(process.env);
    layout = findLayout(nodeHost, executable, process.env);
    const status = await runCommand(argv, { layout, host: nodeHost, output, executable });
    if (changesNode(argv)) await record(status);
    return status;
  } catch (error) {
    const shown = asMounterError(error);
    output.err(formatError(shown));
    // A mistyped command is nothing to remember.
    if (shown.status !== exitCode.usage) await record(shown);
    return shown.status;
  }
}

const write: WriteRecord = async (...line) => (await import('./record/write.ts')).writeRecord(...line);

/**
 * Runs this very command in the host's mount namespace, in this process's place: setns(2) takes one thread along, and
 * the runtime has several.
 */
async function leaveKubeletChroot(namespace: string): Promise<never> {
  const { enterNamespace } = await import('./host/mount-namespace.ts');
  const { ownArguments, replaceProcess } = await import('./host/replace-process.ts');
  enterNamespace(namespace);
  return replaceProcess(process.execPath, ownArguments());
}

/** Written at once: what is still in a buffer is lost when the process ends. */
function writeAll(fd: number, text: string): void {
  if (fd === 1 && wasStdoutClosed()) throw callError('EBADF', 'write', 'standard output');
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slowReaderMs);
    }
  }
}

/** A reader who is slow is waited for without a processor. */
const slowReaderMs = 10;

/** The runtime opens /dev/null in its place. By close-on-exec, which nothing that was inherited has, it is told apart. */
function wasStdoutClosed(): boolean {
  const [, flags] = /^flags:\s*([0-7]+)$/m.exec(nodeHost.readText('/proc/self/fdinfo/1') ?? '') ?? [];
  return (Number.parseInt(flags ?? '0', 8) & O_CLOEXEC) !== 0;
}

/** The same on every architecture that we build for. @see open(2) */
const O_CLOEXEC = 0o2000000;

const output = standardOutput(writeAll);
process.exit(output.end(await main(process.argv0, process.argv.slice(2), output)));
