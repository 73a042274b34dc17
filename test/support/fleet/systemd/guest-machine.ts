import '../../guest/guest.ts';
import { writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { runtimeInVm } from '../../packages/container-runtime.ts';
import { run } from '../../systemd/node.ts';
import { answeringCri, configuration, socket, writeNetwork } from '../containerd.ts';
import type { Cri } from '../cri.ts';
import type { Machine } from '../machine.ts';
import { archives, imageNames } from './archives.ts';

/** The guest as a node that systemd runs, with cgroups of version 2 that systemd manages; containerd is a service. */
export class GuestMachine implements Machine {
  readonly cri: Cri;
  /** By name, with its digest. */
  readonly images: ReadonlyMap<string, string>;

  private constructor(cri: Cri, images: ReadonlyMap<string, string>) {
    this.cri = cri;
    this.images = images;
  }

  static async start(): Promise<GuestMachine> {
    const path = `${runtimeInVm.containerd}:/usr/sbin:/usr/bin:/sbin:/bin`;
    writeNetwork('/etc');
    const { runc, plugins } = runtimeInVm;
    const pause = 'images.test/pause:1';
    const text = configuration({ pause, programs: { runc, crun: 'none' }, plugins, systemdCgroup: true });
    writeFileSync('/etc/containerd.toml', text);
    const properties = [`--setenv=PATH=${path}`, '--property=Delegate=yes', '--property=KillMode=process'];
    const argv = [`${runtimeInVm.containerd}/containerd`, '--config', '/etc/containerd.toml'];
    await run('systemd-run', '--unit=containerd', ...properties, ...argv);
    const cri = await answeringCri(socket);
    const images = new Map<string, string>();
    for (const name of imageNames) images.set(name, await load(name));
    await ctr('images', 'tag', images.get('pause') ?? '', pause);
    return new GuestMachine(cri, images);
  }

  path(path: string): string {
    return path;
  }

  shell(script: string): Promise<string> {
    return run('sh', '-euc', script);
  }

  cgroupOf(uid: string): string {
    return `kubepods-pod${uid.replaceAll('-', '_')}.slice`;
  }
}

async function ctr(...argv: readonly string[]): Promise<string> {
  const all = ['--address', socket, '--namespace', 'k8s.io', ...argv];
  const { stdout } = await execa(`${runtimeInVm.containerd}/ctr`, all, { stdin: 'ignore', timeout: 300_000 });
  return stdout;
}

/** @returns `NAME@sha256:…` */
async function load(name: string): Promise<string> {
  const base = `images.test/${name}`;
  const file = `${archives}/${name}.tar`;
  await ctr('images', 'import', '--base-name', base, '--digests', '--snapshotter', 'overlayfs', file);
  const references = (await ctr('images', 'list', '--quiet')).split('\n');
  const reference = references.find((one) => one.startsWith(`${base}@`));
  if (reference === undefined) throw new Error(`${base} is not among ${references.join(' ')}`);
  return reference;
}
