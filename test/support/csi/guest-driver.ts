import '../guest/guest.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { credentials, loadPackageDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { home } from '../guest/node.ts';
import { socket } from './requests.ts';

/** The CSI driver on the guest, and a client of it by a description of the protocol that is not ours. */

export interface GuestDriver {
  call(method: string, request: object): Promise<GuestAnswer>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface GuestAnswer {
  readonly code: string;
  readonly message: string;
  // biome-ignore lint/suspicious/noExplicitAny: a message of csi.proto
  readonly answer: any;
  readonly ms: number;
}

/** @param prefix of its command. */
export async function startGuestDriver(prefix: readonly string[] = []): Promise<GuestDriver> {
  const [program = '', ...words] = [...prefix, `${home}/mounter`, 'csi'];
  const child = spawn(program, words, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { NODE_NAME: 'guest' },
  });
  const { call } = await connectGuestDriver();
  return { call, kill: (signal) => end(child, signal) };
}

/** A client of the driver that runs, or comes within 20 s. */
export async function connectGuestDriver(): Promise<Pick<GuestDriver, 'call'> & AsyncDisposable> {
  // biome-ignore lint/suspicious/noExplicitAny: clients are made from csi.proto as it is loaded
  const { Node } = (loadPackageDefinition(definition) as any).csi.v1;
  const client = new Node(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  });
  await new Promise<void>((resolve, reject) =>
    client.waitForReady(Date.now() + 20_000, (error?: Error) =>
      error === undefined ? resolve() : reject(error),
    ),
  );
  return {
    call: (method, request) => callNode(client, method, request),
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

const definition = loadSync('/host/test/support/csi/services.proto', { enums: String, longs: Number });

// biome-ignore lint/suspicious/noExplicitAny: see above
function callNode(client: any, method: string, request: object): Promise<GuestAnswer> {
  const began = performance.now();
  return new Promise((resolve) =>
    client[`Node${method}`](
      request,
      { deadline: Date.now() + 120_000 },
      (error: ServiceError | null, answer: object) =>
        resolve({
          code: status[error?.code ?? status.OK],
          message: error?.details ?? '',
          answer,
          ms: Math.round(performance.now() - began),
        }),
    ),
  );
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
