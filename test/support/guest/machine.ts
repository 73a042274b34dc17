import './guest.ts';
import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { dropPackets, passPackets } from './packets.ts';

/** A script of this directory, by its absolute path. */
export const script = (name: string): string => resolve(import.meta.dirname, name);

export interface MachineRequest {
  /** The network device on the node that leads to it; at most 15 characters. */
  readonly device: string;
  /** An IPv4 address in a /24 of the server's own, e.g. `10.9.0.1`; the node gets the one ending in .254. */
  readonly address: string;
  /** What is to be its `/srv`. */
  readonly directory: string;
  /** A bash script that starts its services and ends; run again after a stop. */
  readonly services: string;
  /** Of that script, and of what is run there. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the node needs for it: its files, modules. */
  beforeStart?(): Promise<void>;
  /** A command on the server, before its processes are killed. */
  readonly beforeStop?: string;
}

/** A server in network, mount and pid namespaces of its own: another machine, as far as the node sees. */
export class Machine {
  readonly address: string;
  /** IPv6, without brackets. */
  readonly address6: string;
  /** The node's network device that leads to it. */
  readonly device: string;
  /** Where its `/srv` lies in the guest's disk: to write and read past the network. */
  readonly directory: string;
  readonly #request: MachineRequest;
  #running: { readonly holder: Holder; readonly enter: readonly string[] } | undefined;

  /** It has its names and addresses, and does not run. */
  constructor(request: MachineRequest) {
    this.#request = request;
    this.address = request.address;
    this.address6 = addresses6(request.address).server;
    this.device = request.device;
    this.directory = request.directory;
  }

  /**
   * Returns when its services have started.
   * @throws Error with what they said.
   */
  async start(): Promise<void> {
    await this.#request.beforeStart?.();
    // Of a test file that was killed before.
    if (await exists(`/sys/class/net/${this.device}`)) await this.#deleteDevice();
    const { environment: env } = this.#request;
    const arguments_ = holderArguments(this.#request);
    const holder = execa('setpriv', arguments_, { env, stdin: 'ignore', reject: false });
    await untilReady(holder);
    const enter = ['--target', await firstChild(holder.pid), '--all', '--root', '--wd'];
    this.#running = { holder, enter };
  }

  /** Runs a program on the server; for its stdout. */
  async run(...argv: readonly [program: string, ...args: string[]]): Promise<string> {
    if (this.#running === undefined) throw new Error(`${this.device}: the server does not run`);
    const options = { env: this.#request.environment, stdin: 'ignore' } as const;
    return (await execa('nsenter', [...this.#running.enter, ...argv], options)).stdout;
  }

  /** Ends every service; the host stays up and refuses connections. */
  async stopServices(): Promise<void> {
    // In the server's pid namespace, -1 is every process but the first and the caller.
    await this.run('bash', '-c', `${this.#request.beforeStop ?? ':'}; kill -KILL -1`);
  }

  async startServices(): Promise<void> {
    await this.run('bash', '-c', this.#request.services);
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
    await this.#deleteDevice();
  }

  async #deleteDevice(): Promise<void> {
    await execa('ip', ['link', 'delete', 'dev', this.device], { reject: false });
  }
}

/** Arguments of setpriv(1); the death signal takes the server along with whatever started it. */
function holderArguments({ device, address, directory, services }: MachineRequest): string[] {
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

interface Holder extends PromiseLike<{ readonly stderr: string }> {
  readonly stdout: Readable;
  kill(signal: NodeJS.Signals): boolean;
}

async function untilReady(holder: Holder): Promise<void> {
  const ended = holder.then(({ stderr }) => {
    throw new Error(`the server did not start: ${stderr}`);
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
