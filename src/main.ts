import { writeSync } from 'node:fs';
import { mount } from './commands/mount.ts';
import type { Output } from './commands/output.ts';
import { formatError } from './errors.ts';
import { exitCode } from './exit-codes.ts';
import { nodeHost } from './host/node-host.ts';
import { asMounterError } from './host/system-error.ts';
import { helperNameOf } from './mount/arguments/argv.ts';
import type { Layout } from './node/layout.ts';
import { findLayout } from './node/node.ts';
import { Call } from './record/call.ts';
import { openRecord } from './record/open.ts';
import { namespaceOutsideKubeletChroot } from './rootfs/kubelet-chroot.ts';

/**
 * argv[0] and the first word choose the command; the exit status is set in this file and nowhere else. Only
 * the mount path is imported at once: every mount pays for what is loaded here.
 */
async function main(argv0: string, argv: readonly string[], output: Output): Promise<number> {
  const helperName = helperNameOf(argv0);
  const [command = '', ...rest] = helperName === undefined ? argv : ['mount', ...argv];
  const call = new Call(command, helperName, { now: nodeHost.now, pid: process.pid, open: openRecord });
  let layout: Layout | undefined;
  try {
    // Of /proc/self/exe: without symlinks already.
    const executable = process.execPath;
    const wayOut = namespaceOutsideKubeletChroot(nodeHost);
    if (wayOut !== undefined)
      await (await import('./commands/leave-kubelet-chroot.ts')).leaveKubeletChroot(wayOut);
    layout = findLayout(nodeHost, executable, process.env);
    if (command === 'mount') {
      await mount(rest, helperName, layout, nodeHost, output, call);
      return exitCode.success;
    }
    const { changesNode, runCommand } = await import('./commands/table.ts');
    const status = await runCommand(argv, { layout, host: nodeHost, output, executable });
    const context = { call, argv: rest, host: nodeHost, layout };
    if (changesNode(argv)) await (await import('./record/log.ts')).recordDone(status, context);
    return status;
  } catch (error) {
    const shown = asMounterError(error);
    output.err(formatError(shown));
    if (argv[0] === 'mount' && argv.includes('--json'))
      output.out((await import('./commands/failure-json.ts')).failureAsJson(shown));
    // A mistyped command is nothing to remember; a mount that was asked for wrongly is.
    if (shown.status !== exitCode.usage || command === 'mount')
      await (await import('./record/log.ts')).recordFailure(shown, {
        call,
        argv: rest,
        host: nodeHost,
        layout,
      });
    return shown.status;
  }
}

/** Written at once: what is still in a buffer is lost when the process ends. A reader that is gone is no failure. */
function writeAll(fd: number, text: string): void {
  if (text === '') return;
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
    }
  }
}

const standardOutput: Output = { out: (text) => writeAll(1, text), err: (text) => writeAll(2, text) };

process.exit(await main(process.argv0, process.argv.slice(2), standardOutput));
