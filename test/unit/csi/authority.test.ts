import { once } from 'node:events';
import { connect as connectClient, createServer, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect, createServer as createProxy, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { AuthorityFilter } from '../../../src/csi/authority.ts';

/** nghttp2 on both sides: it codes what is walked here, and is as particular as what the driver serves by. */

interface Served {
  readonly requests: IncomingHttpHeaders[];
  /** The client's side. */
  readonly connection: Socket;
}

/** @param bytesAtOnce how much is passed on at once. */
async function serve(bytesAtOnce = 65_536): Promise<Served> {
  const requests: IncomingHttpHeaders[] = [];
  const server = createServer();
  server.on('stream', (stream, headers) => {
    requests.push(headers);
    stream.respond({ ':status': 200 });
    stream.resume().end();
  });
  const filtering = createProxy((client) => {
    const filter = new AuthorityFilter();
    const upstream = connect((server.address() as AddressInfo).port);
    client.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += bytesAtOnce)
        upstream.write(filter.pass(bytes.subarray(at, at + bytesAtOnce)));
    });
    upstream.pipe(client);
    for (const end of [client, upstream]) end.on('error', () => {});
    client.on('close', () => upstream.destroy());
  });
  for (const listener of [server, filtering])
    await once(listener.listen(0, '127.0.0.1').unref(), 'listening');
  const connection = connect((filtering.address() as AddressInfo).port);
  return { requests, connection };
}

for (const bytesAtOnce of [5, 1000, 65_536])
  test(`whatever authority is sent, the request is served, ${bytesAtOnce} bytes at once`, async (t) => {
    const { requests, connection } = await serve(bytesAtOnce);
    const client = connectClient('http://localhost', { createConnection: () => connection });
    const authorities = [
      'localhost',
      '/var/lib/kubelet/plugins/x/csi.sock',
      ' ',
      'a b',
      'unix:///x',
      '/'.repeat(300),
    ];
    // So many others that the table of 4096 bytes is full again and again.
    for (let round = 0; round < 200; round += 1) {
      const authority = authorities[round % (round < 100 ? 2 : authorities.length)];
      const stream = client.request({
        ':authority': authority,
        ':method': 'POST',
        ':path': `/csi.v1.Node/${round % 7}`,
        'grpc-timeout': `${round * 977}u`,
        ...(round === 150 ? { 'x-long': '~'.repeat(20_000) } : {}),
      });
      const [answered] = await once(stream.end('body'), 'response');
      t.is(answered[':status'], 200);
      t.like(requests.at(-1), { ':path': `/csi.v1.Node/${round % 7}`, 'grpc-timeout': `${round * 977}u` });
    }
    t.is(requests.length, 200);
    t.is(requests[150]?.['x-long'], '~'.repeat(20_000));
    client.destroy();
  });

/** A field of HPACK whose name is given, and enters the table or not. */
function field(name: string, value: string, first = 0x40): Buffer {
  return Buffer.from([first, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]), payload]);
}

const begin = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
]);
const request = (path: string) => [field(':method', 'POST'), field(':scheme', 'http'), field(':path', path)];

/** By the C core, which gives names in letters. */
const authorities: readonly (readonly [string, Buffer])[] = [
  ['none', Buffer.alloc(0)],
  ['an empty one', field(':authority', '')],
  ['an empty one by number', Buffer.from([0x41, 0])],
  ['a path', field(':authority', '/csi.sock')],
  ['a path that enters no table', field(':authority', '/csi.sock', 0)],
  ['a host in its place', field('host', 'localhost')],
];
for (const [name, authority] of authorities)
  test(`twice, and then from the table: ${name}`, async (t) => {
    const { requests, connection } = await serve();
    connection.resume();
    const block = Buffer.concat([Buffer.from([0x20, 0x3f, 0xe1, 0x1f]), ...request('/a'), authority]);
    // Padded, with a priority, and in two parts.
    const padded = Buffer.concat([
      Buffer.from([2, 0, 0, 0, 0, 9]),
      block.subarray(0, 9),
      Buffer.from([0, 0]),
    ]);
    connection.write(Buffer.concat([begin, frame(1, 0x29, 1, padded), frame(9, 4, 1, block.subarray(9))]));
    connection.write(frame(1, 5, 3, Buffer.concat([...request('/b'), authority])));
    // What came first is the oldest entry, and so on; an authority was the last.
    const count = authority[0] === 0x40 || authority[0] === 0x41 ? 4 : 3;
    const indexes = Array.from({ length: count }, (_, entry) => 0x80 | (61 + count - entry));
    connection.write(
      frame(1, 5, 5, Buffer.concat([Buffer.from(indexes), ...(count === 4 ? [] : [authority])])),
    );
    for (let look = 0; requests.length < 3 && look < 1000; look += 1) await setTimeout(5);
    t.deepEqual(
      requests.map((headers) => headers[':path']),
      ['/a', '/b', '/b'],
    );
    connection.destroy();
  });

test('what is malformed is left to the server', async (t) => {
  for (const bad of [
    frame(1, 5, 1, Buffer.from([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff])),
    frame(1, 5, 1, Buffer.from([0x41, 200])),
    frame(9, 4, 1, Buffer.from([0x82])),
    // Of a block that never ends, without a byte in it.
    Buffer.concat([
      frame(1, 0, 1, Buffer.from([0x82])),
      ...Array(15_000).fill(frame(9, 0, 1, Buffer.alloc(0))),
    ]),
    frame(1, 0xd, 1, Buffer.from([200])),
    Buffer.from([0xff, 0, 0, 1, 5, 0, 0, 0, 1]),
  ]) {
    const { requests, connection } = await serve();
    connection.write(Buffer.concat([begin, bad]));
    connection.resume();
    const ended = once(connection, 'end');
    await ended;
    t.deepEqual(requests, []);
  }
});
