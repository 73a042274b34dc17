import { Duplex } from 'node:stream';

/**
 * Gives each request of an HTTP/2 client an `:authority` that our HTTP/2 server takes. On a Unix socket it says nothing,
 * and clients send what they like: the socket's path (kubelet to 1.25, Java), nothing, a blank. grpc's servers in Go
 * and C serve them; that of node:http2, and the one of the compiled executable, reset the stream before anything of ours
 * sees it.
 *
 * 1. Frames are told apart (RFC 9113, 4.1); all but HEADERS and CONTINUATION are passed on.
 * 2. A header block is put together of those (6.2, 6.10), without padding and priority.
 * 3. Its fields are walked by their lengths (RFC 7541, 6): nothing has to be decoded. The value of each `:authority` is
 *    exchanged; one that is in the client's dynamic table was exchanged when it came there.
 * 4. A request without any gets one that enters no table.
 *
 * The server's table may keep an entry longer than the client's, since ours is no longer; the client names those alone
 * that are in both. What is malformed is passed on as it is: to judge it is the server's part.
 */

/** One byte: an entry with it is no longer than the client's own, unless that was empty. */
const value = [1, 0x61];
const name = Buffer.from(':authority');
/** Of the static table. */
const [authorityIndex, hostIndex, staticEntries] = [1, 38, 61];

const [headers, continuation] = [1, 9];
const flags = { endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;
const frameHeaderBytes = 9;
/** The largest frame, unless a server allows more: RFC 9113, 6.5.2. */
const maximumFrame = 16_384;
const maximumBlock = 8 * maximumFrame;
/** The table has 4096 bytes, and an entry takes 32 and more. */
const maximumEntries = 4096 / 32;
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

interface Block {
  readonly stream: number;
  readonly flags: number;
  readonly parts: Buffer[];
  /** Of its frames, their heads as well: whoever sends empty ones without end is stopped, too. */
  bytes: number;
}

/** @returns the client's connection, for the server to serve. */
export function withAuthority(connection: Duplex): Duplex {
  const filter = new AuthorityFilter();
  const filtered = new Duplex({
    read: () => {
      connection.resume();
    },
    write: (chunk, _, done) => {
      connection.write(chunk, done);
    },
    final: (done) => {
      connection.end(done);
    },
    destroy: (error, done) => {
      connection.destroy();
      done(error);
    },
  });
  connection.on('data', (bytes) => {
    if (!filtered.push(filter.pass(bytes))) connection.pause();
  });
  connection.once('end', () => filtered.push(null));
  connection.once('error', () => filtered.destroy());
  connection.once('close', () => filtered.destroy());
  return filtered;
}

/** The bytes of one connection, as they come. */
export class AuthorityFilter {
  #rest = Buffer.alloc(0);
  #isAfterPreface = false;
  #isGivenUp = false;
  #block: Block | undefined;
  #lastStream = 0;
  /** Whether each entry of the client's dynamic table is an authority; the newest first. */
  #table: boolean[] = [];

  /** @returns what the server is to read of all that has come. */
  pass(bytes: Buffer): Buffer {
    if (this.#isGivenUp) return bytes;
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const passed: Buffer[] = [];
    if (!this.#isAfterPreface) {
      if (this.#rest.length < preface.length) return Buffer.alloc(0);
      this.#isAfterPreface = true;
      passed.push(this.#take(preface.length));
    }
    while (this.#rest.length >= frameHeaderBytes) {
      const length = this.#rest.readUIntBE(0, 3);
      if (length > maximumFrame) return this.#giveUp(passed);
      if (this.#rest.length < frameHeaderBytes + length) break;
      const frame = this.#take(frameHeaderBytes + length);
      const type = frame[3];
      if (type !== headers && type !== continuation) passed.push(frame);
      else if (!this.#add(frame)) return this.#giveUp([...passed, frame]);
      else if (((frame[4] ?? 0) & flags.endHeaders) !== 0) passed.push(...this.#endOfBlock());
    }
    return Buffer.concat(passed);
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  /** The server will end such a connection. */
  #giveUp(passed: readonly Buffer[]): Buffer {
    this.#isGivenUp = true;
    return Buffer.concat([...passed, this.#rest]);
  }

  /** @returns false for a frame that is none of a block. */
  #add(frame: Buffer): boolean {
    const [type = 0, frameFlags = 0] = frame.subarray(3, 5);
    const stream = frame.readUInt32BE(5);
    if (type === continuation) {
      if (this.#block?.stream !== stream) return false;
      this.#block.parts.push(frame.subarray(frameHeaderBytes));
      this.#block.bytes += frame.length;
      return this.#block.bytes <= maximumBlock;
    }
    const isPadded = (frameFlags & flags.padded) !== 0;
    const padding = isPadded ? (frame[frameHeaderBytes] ?? 0) : 0;
    const begin = frameHeaderBytes + (isPadded ? 1 : 0) + ((frameFlags & flags.priority) === 0 ? 0 : 5);
    if (this.#block !== undefined || begin + padding > frame.length) return false;
    const parts = [frame.subarray(begin, frame.length - padding)];
    this.#block = { stream, flags: frameFlags, parts, bytes: frame.length };
    return true;
  }

  #endOfBlock(): readonly Buffer[] {
    const { stream, flags: blockFlags, parts } = this.#block as Block;
    this.#block = undefined;
    const isRequest = stream > this.#lastStream;
    this.#lastStream = Math.max(this.#lastStream, stream);
    const block = this.#exchanged(Buffer.concat(parts), isRequest);
    const frames: Buffer[] = [];
    for (let at = 0; at === 0 || at < block.length; at += maximumFrame) {
      const part = block.subarray(at, at + maximumFrame);
      const head = Buffer.alloc(frameHeaderBytes);
      head.writeUIntBE(part.length, 0, 3);
      head[3] = at === 0 ? headers : continuation;
      const isLast = at + maximumFrame >= block.length;
      head[4] = (at === 0 ? blockFlags & flags.endStream : 0) | (isLast ? flags.endHeaders : 0);
      head.writeUInt32BE(stream, 5);
      frames.push(head, part);
    }
    return frames;
  }

  /** @param isRequest and no trailers, which have no authority. */
  #exchanged(block: Buffer, isRequest: boolean): Buffer {
    const passed: Buffer[] = [];
    let isNamed = false;
    let begin = 0;
    try {
      for (let at = 0; at < block.length; ) {
        const field = fieldAt(block, at);
        if (field.isTableSize) begin = passed.length + 1;
        const isAuthority = field.name?.equals(name) ?? this.#isAuthority(field.index);
        if (field.isIndexing) this.#table = [isAuthority, ...this.#table].slice(0, maximumEntries);
        isNamed ||= isAuthority || field.index === hostIndex;
        passed.push(
          isAuthority && field.valueAt !== undefined
            ? Buffer.concat([block.subarray(at, field.valueAt), Buffer.from(value)])
            : block.subarray(at, field.end),
        );
        at = field.end;
      }
    } catch (error) {
      if (error instanceof RangeError) return block;
      throw error;
    }
    // A literal without indexing, its name from the static table; behind changes of the table's size, which stand first.
    if (isRequest && !isNamed) passed.splice(begin, 0, Buffer.from([authorityIndex, ...value]));
    return Buffer.concat(passed);
  }

  #isAuthority(index: number): boolean {
    return index === authorityIndex || (this.#table[index - staticEntries - 1] ?? false);
  }
}

interface Field {
  /** Of the name, or of name and value; 0 where the name is given. */
  readonly index: number;
  readonly name?: Buffer;
  /** Where its value begins, with its length; undefined where it has none of its own. */
  readonly valueAt?: number;
  readonly end: number;
  /** It becomes an entry of the dynamic table. */
  readonly isIndexing: boolean;
  readonly isTableSize: boolean;
}

/** The first bits tell a field's form. @throws RangeError for what is cut off. @see RFC 7541, 6 */
function fieldAt(block: Buffer, at: number): Field {
  const first = block[at] ?? 0;
  const isIndexed = (first & 0x80) !== 0;
  const isIndexing = (first & 0xc0) === 0x40;
  const isTableSize = (first & 0xe0) === 0x20;
  const [index, afterIndex] = integerAt(block, at, isIndexed ? 7 : isIndexing ? 6 : isTableSize ? 5 : 4);
  if (isIndexed || isTableSize)
    return { index: isTableSize ? 0 : index, end: afterIndex, isIndexing, isTableSize };
  const valueAt = index === 0 ? stringEnd(block, afterIndex) : afterIndex;
  // A name in Huffman's code is not looked at: who has that code has the static table as well.
  const given = index === 0 ? { name: block.subarray(afterIndex + 1, valueAt) } : {};
  return { index, ...given, valueAt, end: stringEnd(block, valueAt), isIndexing, isTableSize };
}

function stringEnd(block: Buffer, at: number): number {
  const [length, begin] = integerAt(block, at, 7);
  if (begin + length > block.length) throw new RangeError('cut off');
  return begin + length;
}

/** @returns the integer, and where it ends. @see RFC 7541, 5.1 */
function integerAt(block: Buffer, at: number, bits: number): readonly [number, number] {
  const mask = 2 ** bits - 1;
  const prefix = block.readUInt8(at) & mask;
  if (prefix < mask) return [prefix, at + 1];
  let sum = prefix;
  for (let next = at + 1, shift = 0; shift <= 21; next += 1, shift += 7) {
    const byte = block.readUInt8(next);
    sum += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [sum, next + 1];
  }
  throw new RangeError('too large');
}
