import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import pRetry from 'p-retry';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, mountAt, mountsBelow } from '../host/mountinfo.ts';
import { runProgram } from '../host/programs.ts';
import { rootfsProcesses } from './daemons.ts';
import type { Layout } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { readEntries, selfBindsFile } from './prepare.ts';
import { volumesOf } from './volumes.ts';

export interface TeardownContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: Manifest;
  /** Unmount the volumes too, instead of refusing while there are any. */
  readonly unmountVolumes: boolean;
}

/**
 * Undoes `prepare`: ends the daemons inside the rootfs, detaches what is mounted below MOUNTER_HOME, and
 * takes back the self-binds. Files stay: the rootfs, and rpc.statd's state.
 * @returns what was done, a line each.
 * @throws MounterError (system) while volumes are mounted: their locks and their daemons need the rootfs.
 */
export async function teardown(context: TeardownContext): Promise<readonly string[]> {
  const { host, layout } = context;
  const done: string[] = [];
  await endVolumes(context, done);
  await endDaemons(context, done);
  const home = realpathSync(layout.home);
  while (mountAt(readEntries(host), home) !== undefined || mountsBelow(readEntries(host), home).length > 0) {
    done.push(await detachTree(home, readEntries(host)));
  }
  done.push(...(await undoSelfBinds(host)));
  return done;
}

/** Private first, or the volumes of the kubelet directory would be unmounted on the host as well. */
async function detachTree(home: string, entries: readonly MountEntry[]): Promise<string> {
  const top = mountAt(entries, home) ?? mountsBelow(entries, home)[0];
  if (top === undefined) return '';
  await runProgram('mount', ['--no-canonicalize', '--make-rprivate', top.mountPoint]);
  await runProgram('umount', ['--no-canonicalize', '-l', top.mountPoint]);
  return `detached ${top.mountPoint} and all below it`;
}

async function endVolumes(
  { host, manifest, unmountVolumes }: TeardownContext,
  done: string[],
): Promise<void> {
  const volumes = volumesOf(manifest, readEntries(host));
  const [first] = volumes;
  if (first === undefined) return;
  if (!unmountVolumes) {
    throw new MounterError(
      `${volumes.length} volume(s) are mounted, such as ${first.source} on ${first.target}`,
      {
        subject: 'teardown',
        status: exitCode.system,
        hint: 'unmount them first (drain the node), or run mounter teardown --unmount-volumes',
      },
    );
  }
  for (const { target } of volumes) {
    await runProgram('umount', ['--no-canonicalize', target]);
    done.push(`unmounted ${target}`);
  }
}

/** @throws MounterError when something else runs in the rootfs: a person's shell, a helper at work. */
async function endDaemons({ host, layout, manifest }: TeardownContext, done: string[]): Promise<void> {
  if (!existsSync(layout.versions)) return;
  const running = () => rootfsProcesses(host, realpathSync(layout.versions), manifest);
  const foreign = running().find(({ role }) => role === 'other');
  if (foreign !== undefined) {
    throw new MounterError(`process ${foreign.pid} (${foreign.commandLine[0]}) runs inside the rootfs`, {
      subject: 'teardown',
      status: exitCode.system,
      hint: 'end it, or wait for it to end, then try again',
    });
  }
  for (const { pid, role } of running()) {
    host.kill(pid, 'SIGTERM');
    done.push(`ended ${role} (process ${pid})`);
  }
  await pRetry(() => refuseRunning(running().length), untilDaemonsEnd).catch(() => {
    for (const { pid } of running()) host.kill(pid, 'SIGKILL');
  });
}

function refuseRunning(count: number): void {
  if (count > 0) throw new Error(`${count} still run`);
}

/** They end within milliseconds of SIGTERM; glusterfs flushes first. */
const untilDaemonsEnd = { retries: 50, minTimeout: 20, factor: 1.2, maxTimeout: 200, maxRetryTime: 5000 };

async function undoSelfBinds(host: Host): Promise<readonly string[]> {
  if (!existsSync(selfBindsFile)) return [];
  const done: string[] = [];
  for (const directory of new Set(readFileSync(selfBindsFile, 'utf8').split('\n'))) {
    if (directory === '' || mountAt(readEntries(host), directory) === undefined) continue;
    if (mountsBelow(readEntries(host), directory).length > 0) {
      done.push(`left ${directory} as it is: other mounts are below it`);
      continue;
    }
    await runProgram('umount', ['--no-canonicalize', directory]);
    done.push(`unmounted ${directory}`);
  }
  rmSync(selfBindsFile);
  return done;
}
