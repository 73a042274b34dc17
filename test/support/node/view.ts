import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { programIn } from '../programs/test-program.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from './namespace.ts';
import { placeHelper } from './stand-in-helper.ts';

/** What view.c tells, by name; a name may stand for many things. */
export class View {
  readonly #entries: readonly (readonly [name: string, value: string])[];

  /** @param output lines of others among them are left out. */
  constructor(output: string) {
    this.#entries = [...output.matchAll(/^view: (\S+) (.*)$/gm)].map(
      ([, name = '', value = '']) => [name, value] as const,
    );
  }

  all(name: string): readonly string[] {
    return this.#entries.filter(([other]) => other === name).map(([, value]) => value);
  }

  /** @throws when it told none, or several. */
  one(name: string): string {
    const [value, another] = this.all(name);
    if (value === undefined || another !== undefined) throw new Error(`${name} was not told once`);
    return value;
  }
}

/** capabilities(7), by their numbers. */
const capabilities = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...[
    'SYS_RESOURCE',
    'SYS_TIME',
    'SYS_TTY_CONFIG',
    'MKNOD',
    'LEASE',
    'AUDIT_WRITE',
    'AUDIT_CONTROL',
    'SETFCAP',
  ],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

/** @param set hexadecimal, as in /proc/PID/status. */
export function capabilityNames(set: string): readonly string[] {
  const bits = BigInt(`0x${set}`);
  return capabilities.filter((_, number) => ((bits >> BigInt(number)) & 1n) === 1n);
}

/** Files of the host and of Pods, which are nothing to a helper. */
export const canaries = {
  /** Of Pods: an emptyDir, a Secret that was mounted before the node was prepared, one that was mounted after. */
  emptyDir: `${kubeletDirectory}/pods/p/volumes/kubernetes.io~empty-dir/e/canary`,
  oldSecret: `${kubeletDirectory}/pods/p/volumes/kubernetes.io~secret/old/canary`,
  newSecret: `${kubeletDirectory}/pods/p/volumes/kubernetes.io~secret/new/canary`,
  hostPath: '/var/lib/host-path/canary',
  etc: '/etc/canary',
  run: '/run/canary',
  home: '/home/canary',
  /** In the root directory of a container, and nowhere else. */
  container: '/canary',
} as const;

/**
 * A prepared node with all of them, on which a container runs, and with view.c in its rootfs as /usr/sbin/view and,
 * where `fstype` says so, in the place of a helper.
 */
export async function nodeWithCanaries(
  request: Parameters<typeof ScratchNode.installed>[0],
  fstype: 'nfs' | undefined,
): Promise<ScratchNode> {
  const node = await ScratchNode.installed(request);
  try {
    const secret = (path: string) => {
      const directory = path.slice(0, path.lastIndexOf('/'));
      return `mkdir -p ${directory}; mount -t tmpfs secret ${directory}; echo canary >${path}`;
    };
    await node.shell(secret(canaries.oldSecret));
    await node.mustRun('prepare');
    await node.shell(secret(canaries.newSecret));
    for (const path of [canaries.emptyDir, canaries.hostPath, canaries.etc, canaries.run, canaries.home])
      await node.shell(`mkdir -p ${path.slice(0, path.lastIndexOf('/'))}; echo canary >${path}`);
    await node.run(['tee', `${mounterHome}/rootfs/etc/canaries`], {
      input: `${Object.values(canaries).join('\n')}\n`,
    });
    const program = await programIn(node, 'view');
    await node.shell(`cp ${program} ${mounterHome}/rootfs/usr/sbin/view`);
    if (fstype !== undefined) await placeHelper(node, fstype, program);
    await startContainer(node, program);
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}

/** It ends with the node. */
async function startContainer(node: ScratchNode, program: string): Promise<void> {
  await node.shell('mkdir /tmp/container');
  const container = spawn('nsenter', [...node.enter, program, '--container', '/tmp/container'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await Promise.race([
    once(container.stdout, 'data'),
    once(container, 'exit').then(() => {
      throw new Error('the container did not start');
    }),
  ]);
}
