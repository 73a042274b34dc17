import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { cacheDirectory, repository } from '../../../scripts/paths.ts';
import { installedMounter, type ScratchNode } from '../node/namespace.ts';
import { registrySocket, socket } from './requests.ts';

/** The CSI driver of a node, and a client of it that has nothing of ours in it. */

export interface Driver {
  /** As this machine numbers it. */
  readonly pid: number;
  /** What it has said. */
  readonly output: () => string;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** By whoever ends it. */
  readonly ended: Promise<void>;
}

/** Starts the installed executable's driver on the node. @returns when it serves. */
export function startDriver(node: ScratchNode, ...flags: readonly string[]): Promise<Driver> {
  return startDriverBy(['env', 'NODE_NAME=node-1', installedMounter], node, flags);
}

/** @param command of the node, the mounter at its end. */
export async function startDriverBy(
  command: readonly string[],
  node: ScratchNode,
  flags: readonly string[] = [],
): Promise<Driver> {
  const child = spawn('nsenter', [...node.enter, ...command, 'csi', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  for (let look = 0; !(await isServed(node)); look += 1) {
    if (child.exitCode !== null || look === 3000) throw new Error(`the driver does not serve: ${output}`);
    await setTimeout(20);
  }
  const pid = await processOf(child);
  return {
    pid,
    output: () => output,
    kill: async (signal) => {
      const ended = exitOf(child);
      process.kill(pid, signal);
      await ended;
    },
    ended: exitOf(child),
  };
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function isServed(node: ScratchNode): Promise<boolean> {
  return (
    existsSync(node.path(registrySocket)) &&
    (await node.run(['grep', '-q', basename(registrySocket), '/proc/net/unix'])).status === 0
  );
}

/** nsenter(1) forks into the pid namespace. */
async function processOf(child: ChildProcess): Promise<number> {
  const { stdout } = await execa('pgrep', ['--parent', String(child.pid)]);
  return Number(stdout.trim());
}

export interface Answered {
  /** Of gRPC, such as OK or NOT_FOUND. */
  readonly code: string;
  readonly message: string;
  // biome-ignore lint/suspicious/noExplicitAny: a message of csi.proto in JSON
  readonly answer: any;
  readonly ms: number;
}

export type Service = 'Identity' | 'Node' | 'Controller' | 'Registration';

export interface Client extends AsyncDisposable {
  call(service: Service, method: string, request?: object, seconds?: number): Promise<Answered>;
}

/** @param path of the driver's socket on the node. @param authority `:authority` of HTTP/2; the C core's own if left out. */
export async function connectClient(node: ScratchNode, path = socket, authority?: string): Promise<Client> {
  const library = await ensureLibrary();
  const words = [
    `${repository}/test/support/csi/client.py`,
    node.path(path),
    ...(authority === undefined ? [] : [authority]),
  ];
  const child = spawn('/usr/bin/python3', words, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PYTHONPATH: library, PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'NONE' },
  });
  const waiting = new Map<number, (answered: Answered) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, ...answered } = JSON.parse(line);
    waiting.get(id)?.(answered);
    waiting.delete(id);
  });
  let calls = 0;
  return {
    call: (service, method, request = {}, seconds = 60) => {
      calls += 1;
      const id = calls;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        child.stdin.write(`${JSON.stringify({ id, service, method, request, seconds })}\n`);
      });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exitOf(child);
    },
  };
}

let library: Promise<string> | undefined;

/** csi_pb2.py. @returns its directory. */
function ensureLibrary(): Promise<string> {
  library ??= (async () => {
    await ensureInstalled(['protobuf-compiler', 'python3-grpcio', 'python3-protobuf']);
    const directory = `${cacheDirectory}/csi-client`;
    mkdirSync(directory, { recursive: true });
    const source = `${repository}/test/support/csi`;
    await execa('protoc', [`--proto_path=${source}`, `--python_out=${directory}`, `${source}/csi.proto`]);
    return directory;
  })();
  return library;
}
