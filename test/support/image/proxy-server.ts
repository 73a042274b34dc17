import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

export interface ProxyRequest {
  /** `127.0.0.1:PORT`, where all that is asked of it leads. */
  readonly to: string;
  /** `USER:PASSWORD`, without which it answers 407. */
  readonly login?: string;
  /** A directory with cert.pem and key.pem, where it speaks TLS itself. */
  readonly certificates?: string;
  /** What it answers to every wish for a tunnel. */
  readonly refusal?: number;
  /** Whether it takes what is asked, and says nothing. */
  readonly isSilent?: boolean;
}

/** A proxy for HTTP and HTTPS (RFC 9110, 9.3.6) that alone knows where hosts are. */
export class ProxyServer {
  /** What it was asked for: `CONNECT registry.example:443`. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #request: ProxyRequest;
  readonly #sockets = new Set<Socket>();

  private constructor(wanted: ProxyRequest) {
    const { certificates } = wanted;
    this.#request = wanted;
    this.#server =
      certificates === undefined
        ? createServer()
        : createTlsServer({
            cert: readFileSync(join(certificates, 'cert.pem')),
            key: readFileSync(join(certificates, 'key.pem')),
          });
    this.#server.on('connect', (message: IncomingMessage, socket: Socket) => this.#tunnel(message, socket));
    this.#server.on('request', (message, response) => this.#forward(message, response));
  }

  static async start(wanted: ProxyRequest): Promise<ProxyServer> {
    const proxy = new ProxyServer(wanted);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** `http://USER:PASSWORD@127.0.0.1:PORT` */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    const { login, certificates } = this.#request;
    const scheme = certificates === undefined ? 'http' : 'https';
    return `${scheme}://${login === undefined ? '' : `${login}@`}127.0.0.1:${address.port}`;
  }

  #tunnel(message: IncomingMessage, socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    const status = this.#refusalOf(message);
    if (status !== undefined) socket.end(`HTTP/1.1 ${status} no\r\ncontent-length: 0\r\n\r\n`);
    if (status !== undefined || this.#request.isSilent === true) return;
    const [host = '', port] = this.#request.to.split(':');
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 ok\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    this.#sockets.add(target);
    target.on('error', () => socket.destroy());
  }

  #forward(message: IncomingMessage, response: ServerResponse): void {
    const status = this.#refusalOf(message);
    if (status !== undefined) return void response.writeHead(status).end();
    const { pathname, search } = new URL(message.url ?? '');
    request(`http://${this.#request.to}${pathname}${search}`, { headers: message.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }).end();
  }

  #refusalOf({ method, url, headers }: IncomingMessage): number | undefined {
    this.asked.push(`${method} ${url}`);
    const { login, refusal } = this.#request;
    const isKnown = login === undefined || headers['proxy-authorization'] === `Basic ${btoa(login)}`;
    return isKnown ? refusal : 407;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
