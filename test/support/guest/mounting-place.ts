import './guest.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import type { MountedKind, Place } from '../callers/mounting-place.ts';
import { targetFor } from '../callers/mounting-place.ts';
import type { EnterMode } from '../node/enter-mode.ts';
import { thisMachine } from '../node/remains.ts';
import { compiledProgram } from '../programs/test-program.ts';
import { home, installAndPrepare, unmountAll } from './node.ts';
import type { NfsServer } from './server.ts';

/** Real NFS, whose helper takes its time where it is asked to. */
export function realNfs(server: Pick<NfsServer, 'address'>, version: '3' | '4.2'): MountedKind {
  const options = {
    succeeds: `vers=${version}`,
    fails: `vers=${version},nosuchoption`,
    'is slow': `vers=${version},retry=2`,
    waits: undefined,
  };
  return {
    fstype: 'nfs',
    sources: [`${server.address}:/srv/vol1`, `${server.address}:/srv/vol2`],
    options: (behaviour) => options[behaviour],
    knowsItsOwn: true,
    usualMs: 100,
  };
}

/** The guest as the node of a test; what is mounted is unmounted. */
export async function guestPlace(kind: MountedKind, enter: EnterMode): Promise<Place> {
  await unmountAll();
  await takeSlowHelperAway();
  await installAndPrepare(enter);
  await placeSlowHelper();
  return {
    ...thisMachine,
    kind,
    callers: compiledProgram('callers'),
    entriesPerVolume: enter === 'chroot' ? 2 : 1,
    run: async (argv, { input } = {}) => {
      const [program = '', ...args] = argv;
      const ran = await execa(program, args, {
        ...(input === undefined ? { stdin: 'ignore' } : { input }),
        reject: false,
        stripFinalNewline: false,
        timeout: 120_000,
      });
      return { status: ran.exitCode ?? -1, stdout: ran.stdout, stderr: ran.stderr };
    },
    reset: async () => {
      for (const pid of ofCalls()) process.kill(pid, 'SIGKILL');
      const target = targetFor(kind);
      for (const { mountPoint } of thisMachine.mountinfo().filter((one) => one.mountPoint.endsWith(target)))
        await execa('umount', ['-l', mountPoint], { reject: false });
    },
  };
}

const helper = `${home}/rootfs/usr/sbin/mount.nfs`;

async function placeSlowHelper(): Promise<void> {
  await execa('mv', [helper, `${helper}.real`]);
  await execa('cp', [compiledProgram('slow-helper'), helper]);
}

/** Others use the same rootfs. */
export async function takeSlowHelperAway(): Promise<void> {
  await execa('sh', ['-euc', `[ ! -e ${helper}.real ] || mv ${helper}.real ${helper}`]);
}

/** The processes of calls that go on: in the guest there is nobody else's. */
function ofCalls(): readonly number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return /(^|\/)(mounter|mount\.nfs4?)(\.real)?$/.test(program);
      } catch {
        return false; // It ended while we looked.
      }
    })
    .map(Number);
}
