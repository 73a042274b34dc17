import './guest.ts';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface DnsServer {
  /** Every name it was asked for, in order. */
  readonly questions: readonly string[];
  close(): Promise<void>;
}

/** Answers for names that it knows (name → IPv4 address) and the rest with NXDOMAIN, or nothing at all. */
export type DnsBehaviour = 'silent' | Readonly<Record<string, string>>;

const answerHeader = Buffer.from('c00c00010001000000050004', 'hex');

/** A DNS server on port 53 of `address`. Programs started with execaSync cannot reach it: it is this process. */
export async function startDnsServer(behaviour: DnsBehaviour, address = '127.0.0.1'): Promise<DnsServer> {
  const questions: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    questions.push(questionOf(query).name);
    if (behaviour !== 'silent') socket.send(respond(query, behaviour), peer.port, peer.address);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
  return {
    questions,
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** RFC 1035, 4.1: a header of 12 bytes, then one question: labels, each behind its length, type and class. */
function questionOf(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function respond(query: Buffer, addresses: Readonly<Record<string, string>>): Buffer {
  const { name, type, end } = questionOf(query);
  const known = addresses[name];
  const header = Buffer.from(query.subarray(0, 12));
  // QR, RD, RA; 3 is NXDOMAIN. One question, one answer or none, nothing else.
  header.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2);
  const answered = known !== undefined && type === 1;
  header.writeUInt16BE(answered ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  const answer = answered ? [answerHeader, Buffer.from(known.split('.').map(Number))] : [];
  return Buffer.concat([header, query.subarray(12, end), ...answer]);
}
