import './guest.ts';
import { once } from 'node:events';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { dropPackets, passPackets } from './packets.ts';

/** A script of this directory, by its absolute path. */
export const script = (name: string): string => resolve(import.meta.dirname, name);

export interface NfsServerRequest {
  /** At most 11 characters; names the network device on the node and the directory of the data. */
  readonly name: string;
  /** An IPv4 address in a /24 of the server's own, e.g. `10.9.0.1`; the node gets the one ending in .254. */
  readonly address: string;
  /** Both if left out. A server without v3 has no rpcbind either, as is usual. */
  readonly versions?: { readonly v3: boolean; readonly v4: boolean };
  /** Path → exports(5) clients and options; `standardExports` if left out. */
  readonly exports?: Readonly<Record<string, string>>;
}

/** What every server of the tests has in /srv; `secret` is exported to others only. */
export const standardExports = {
  '/srv/vol1': '*(rw,no_subtree_check,no_root_squash)',
  '/srv/vol2': '*(rw,no_subtree_check,no_root_squash)',
  '/srv/readonly': '*(ro,no_subtree_check,no_root_squash)',
  '/srv/secret': '192.0.2.0/24(rw,no_subtree_check)',
} as const;

/** An NFS server in network, mount and pid namespaces of its own: another machine, as far as the node sees. */
export class NfsServer {
  readonly address: string;
  /** IPv6, without brackets. */
  readonly address6: string;
  /** The node's network device that leads to it. */
  readonly device: string;
  /** Where its `/srv` lies in the guest's disk: to write and read past NFS. */
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;
  #running: { readonly holder: Holder; readonly enter: readonly string[] } | undefined;

  /** It has its names and addresses, and does not run. */
  constructor(request: NfsServerRequest) {
    this.address = request.address;
    this.address6 = addresses6(request.address).server;
    this.device = `nfs-${request.name}`;
    this.directory = join('/server/data', request.name);
    this.#environment = {
      VERSIONS: versionList(request.versions ?? { v3: true, v4: true }),
      EXPORTS: exportsText(request.exports ?? standardExports),
    };
  }

  /**
   * Returns when it answers, in about 0.5 s. Its files: `vol1/file`, `vol1/sub/file` and `readonly/file`, each with
   * its own path as content.
   * @throws Error with what the daemons said.
   */
  async start(): Promise<void> {
    await makeFiles(this.directory);
    await execa('modprobe', ['nfsd']);
    // Of a test file that was killed before.
    if (await exists(`/sys/class/net/${this.device}`)) await deleteDevice(this.device);
    const arguments_ = holderArguments(this.device, this.address, this.directory, await servicesScript());
    const holder = execa('setpriv', arguments_, { env: this.#environment, stdin: 'ignore', reject: false });
    await untilReady(holder);
    const enter = ['--target', await firstChild(holder.pid), '--all', '--root', '--wd'];
    this.#running = { holder, enter };
  }

  /** Runs a program on the server; for its stdout. */
  async run(...argv: readonly [program: string, ...args: string[]]): Promise<string> {
    if (this.#running === undefined) throw new Error(`${this.device}: the NFS server does not run`);
    const options = { env: this.#environment, stdin: 'ignore' } as const;
    return (await execa('nsenter', [...this.#running.enter, ...argv], options)).stdout;
  }

  /** Ends nfsd and every daemon; the host stays up and refuses connections. */
  async stopServices(): Promise<void> {
    // In the server's pid namespace, -1 is every process but the first and the caller.
    await this.run('bash', '-c', 'rpc.nfsd 0; kill -KILL -1');
  }

  async startServices(): Promise<void> {
    await this.run('bash', '-c', await servicesScript());
  }

  /** From now on every packet from the node to the server vanishes. */
  dropPackets(): Promise<void> {
    return dropPackets(this.device, this.address);
  }

  passPackets(): Promise<void> {
    return passPackets(this.device, this.address);
  }

  /** Ends it all, network included; nothing where it does not run. */
  async close(): Promise<void> {
    if (this.#running === undefined) return;
    const { holder } = this.#running;
    await this.stopServices();
    this.#running = undefined;
    holder.kill('SIGKILL');
    await holder;
    // Sockets of the dead may keep the namespace for a while, and with it the address.
    await deleteDevice(this.device);
  }
}

/** @throws Error with what the daemons said. */
export async function startNfsServer(request: NfsServerRequest): Promise<NfsServer> {
  const server = new NfsServer(request);
  await server.start();
  return server;
}

async function servicesScript(): Promise<string> {
  return readFile(script('nfs-server.sh'), 'utf8');
}

async function deleteDevice(device: string): Promise<void> {
  await execa('ip', ['link', 'delete', 'dev', device], { reject: false });
}

async function makeFiles(directory: string): Promise<void> {
  for (const name of ['vol1/sub', 'vol2', 'readonly', 'secret']) {
    await mkdir(join(directory, name), { recursive: true });
  }
  for (const name of ['vol1/file', 'vol1/sub/file', 'readonly/file']) {
    await writeFile(join(directory, name), `${name}\n`);
  }
}

/** Arguments of setpriv(1); the death signal takes the server along with whatever started it. */
function holderArguments(device: string, address: string, directory: string, services: string): string[] {
  const node = address.replace(/\d+$/, '254');
  const { server: server6, node: node6 } = addresses6(address);
  const network = [device, `${address}/24`, `${node}/24`, `${server6}/64`, `${node6}/64`];
  return [
    ...['--pdeathsig', 'KILL', 'unshare', '--net', '--mount', '--pid', '--fork', '--kill-child=SIGKILL'],
    ...['bash', script('network.sh'), ...network],
    ...['bash', script('enter-server.sh'), '-', directory],
    ...['bash', '-c', `${services}\necho ready\nexec sleep infinity`],
  ];
}

/** `10.9.3.1` → `fd00:9:3::1`, and the node's end of that network. */
function addresses6(address: string): { readonly server: string; readonly node: string } {
  const [, second = 0, third = 0] = address.split('.').map(Number);
  const prefix = `fd00:${second}:${third}::`;
  return { server: `${prefix}1`, node: `${prefix}fe` };
}

function versionList(versions: { readonly v3: boolean; readonly v4: boolean }): string {
  return [...(versions.v3 ? ['3'] : []), ...(versions.v4 ? ['4'] : [])].join(',');
}

function exportsText(exports: Readonly<Record<string, string>>): string {
  return Object.entries(exports)
    .map(([path, clients]) => `${path} ${clients}\n`)
    .join('');
}

interface Holder extends PromiseLike<{ readonly stderr: string }> {
  readonly stdout: Readable;
  kill(signal: NodeJS.Signals): boolean;
}

async function untilReady(holder: Holder): Promise<void> {
  const ended = holder.then(({ stderr }) => {
    throw new Error(`the NFS server did not start: ${stderr}`);
  });
  await Promise.race([once(holder.stdout, 'data'), ended]);
}

/** The pid of the one child of `pid`, as the node sees it. */
async function firstChild(pid: number | undefined): Promise<string> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim();
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
