import './guest.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { home } from './node.ts';
import type { NfsServer } from './server.ts';

/**
 * The node before its reboot: a network namespace that has the node's address at the server. When the power goes,
 * the device leaves it first, so that nothing that ends in there can tell the server.
 */
export interface EarlierLife {
  /** As kubelet would call it. */
  mountNfs(source: string, target: string, options: string): Promise<void>;
  /** Takes a lock and keeps it until the power goes. */
  holdLock(path: string): Promise<void>;
  /** What is left is what a reboot leaves: the disk. */
  powerOff(): Promise<void>;
}

const run = '/run/containerized-mounter';
const name = 'earlier-life';
const enter = `--net=/run/netns/${name}`;

export async function beginEarlierLife({ device, address }: NfsServer): Promise<EarlierLife> {
  const nodeAddress = `${address.replace(/\d+$/, '254')}/24`;
  await execa('ip', ['netns', 'add', name]);
  await execa('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  await execa('ip', ['link', 'set', device, 'netns', name]);
  await giveAddress(['-n', name], device, nodeAddress);
  const targets: string[] = [];
  return {
    mountNfs: async (source, target, options) => {
      targets.push(target);
      await execa('nsenter', [enter, `${home}/mounter`, 'mount', '-t', 'nfs', '-o', options, source, target]);
    },
    holdLock: async (path) => {
      const argv = [enter, 'flock', '--nonblock', path, 'sh', '-c', 'echo held; exec sleep 600'];
      const holder = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
      const said = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit').then(() => [])]);
      if (String(said[0]).trim() !== 'held') throw new Error('no lock to begin with');
      // Its unlock waits in the kernel for a server that is out of reach: nobody can wait for its end.
      holder.stdout.destroy();
      holder.unref();
    },
    powerOff: async () => {
      await execa('ip', ['-n', name, 'link', 'set', device, 'netns', '1']);
      await giveAddress([], device, nodeAddress);
      const { stdout } = await execa('ip', ['netns', 'pids', name]);
      for (const pid of stdout.split('\n').filter((line) => line !== ''))
        process.kill(Number(pid), 'SIGKILL');
      for (const target of targets) await execa('umount', ['--force', '--lazy', target], { reject: false });
      await setTimeout(200);
      await execa('umount', ['--recursive', `${run}/namespaces`], { reject: false });
      await execa('sh', ['-c', `rm -rf /run/rpc* /run/sm-notify.pid ${run}`]);
    },
  };
}

async function giveAddress(where: readonly string[], device: string, address: string): Promise<void> {
  await execa('ip', [...where, 'address', 'add', address, 'dev', device]);
  await execa('ip', [...where, 'link', 'set', 'dev', device, 'up']);
}
