import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { basename, dirname } from 'node:path';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { MounterError, printable } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { withAuthority } from './authority.ts';
import { CsiError } from './csi-error.ts';
import {
  type MethodOf,
  type Request,
  type Response,
  type ServiceName,
  serviceDefinition,
} from './protocol.ts';

/** A gRPC server on a Unix socket, as kubelet calls it. */

/** What answers a method. @param signal aborted when the caller waits no more. */
export type Answer<M extends string> = (
  request: Request<M>,
  signal: AbortSignal,
) => Response<M> | Promise<Response<M>>;

export type Answers<S extends ServiceName> = { readonly [M in MethodOf<S>]: Answer<M> };

/** How a call has ended: gRPC's code, and what is wrong. */
export interface Ended {
  readonly code: number;
  readonly seconds: number;
  readonly message: string;
}

/** Told of each call that begins. @returns what is told of its end. */
export type Observe = (method: string, request: object) => (ended: Ended) => void;

export interface Services {
  readonly services: { readonly [S in ServiceName]?: Answers<S> };
  readonly observe: Observe;
}

/**
 * Serves until `close` is called. The socket of a predecessor that is dead is taken over.
 * @throws MounterError (system) where somebody serves there, or it cannot be made.
 */
export async function serve(socket: string, { services, observe }: Services): Promise<{ close(): void }> {
  const server = new Server({ 'grpc.max_receive_message_length': maximumMessage });
  for (const [name, answers] of Object.entries(services))
    server.addService(serviceDefinition(name as ServiceName), implementation(answers, observe));
  mkdirSync(dirname(socket), { recursive: true, mode: 0o750 });
  await takeOver(socket);
  const calls = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((connection) => calls.injectConnection(withAuthority(connection)));
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (error) => reject(notServed(socket, error.message)));
    listener.listen(socket, resolve);
  });
  // kubelet is root; nobody else has anything to ask.
  chmodSync(socket, 0o600);
  const own = inodeOf(socket);
  return {
    close: () => {
      // Another driver's stays, which came when ours had been removed: to stop listening would remove that, too.
      if (inodeOf(socket) === own) {
        // In this order: whoever takes over finds nobody here, and none of its own is removed.
        rmSync(socket, { force: true });
        listener.close();
      }
      server.forceShutdown();
    },
  };
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

/** A request of the specification has at most some fields of 4 KiB. */
const maximumMessage = 1024 * 1024;

function implementation(
  answers: Readonly<Record<string, unknown>>,
  observe: Observe,
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(answers).map(([method, answer]) => [
      method,
      answering(method, answer as Answer<string>, observe),
    ]),
  );
}

function answering(method: string, answer: Answer<string>, observe: Observe) {
  return (
    call: ServerUnaryCall<Request<string>, Response<string>>,
    send: sendUnaryData<Response<string>>,
  ): void => {
    const began = performance.now();
    const givenUp = new AbortController();
    call.on('cancelled', () => givenUp.abort());
    const observed = observe(method, call.request);
    const end = (code: number, message: string) =>
      observed({ code, seconds: (performance.now() - began) / 1000, message });
    const answered = async () => answer(call.request, givenUp.signal);
    answered().then(
      (response) => {
        end(status.OK, '');
        send(null, response);
      },
      (error: unknown) => {
        const { code, message } =
          error instanceof CsiError ? error : { code: status.INTERNAL, message: String(error) };
        end(code, message);
        send({ code, details: inHeader(forEvent(message, call.request)) });
      },
    );
  };
}

/**
 * It becomes an event of the Pod, where kubelet has named the volume, and which has room for 1024 bytes: a long path of the
 * request is left out at its beginning, and after that stands for itself. Of a helper's log the times are left out: the
 * same failure is the same event then, which is counted, and pushes no other out.
 */
function forEvent(message: string, request: object): string {
  const paths = Object.values(request).filter((value) => typeof value === 'string' && value.length > 60);
  return paths
    .reduce((text: string, path: string) => text.replace(`${path}: `, '').replaceAll(path, '…'), message)
    .replace(/\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+\d{4}\] /g, '');
}

/** It is sent in a header, and one that is longer than its reader takes ends the connection, with all calls on it. */
function inHeader(message: string): string {
  const bytes = Buffer.from(printable(message));
  return `${bytes.toString('utf8', 0, maximumDetails)}${bytes.length > maximumDetails ? '…' : ''}`;
}

/** As bytes, each of which may become three; readers take 8 KiB and more. */
const maximumDetails = 2000;

async function takeOver(socket: string): Promise<void> {
  const there = lstatSync(socket, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw notServed(socket, 'something else has this name');
  if (await isServed(socket)) throw notServed(socket, 'another driver serves there');
  rmSync(socket, { force: true });
}

function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const end = (answer: boolean) => {
      connection.destroy();
      resolve(answer);
    };
    connection.once('connect', () => end(true));
    connection.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function notServed(socket: string, why: string): MounterError {
  return new MounterError(`the CSI driver cannot serve there: ${why}`, {
    subject: socket,
    status: exitCode.system,
    hint: `ss -lxp src '*/${basename(dirname(socket))}/${basename(socket)}' names who; one driver of a name runs on a node, be it a DaemonSet's or mounter csi`,
  });
}
