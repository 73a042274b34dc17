import { withTimeout } from '../host/with-timeout.ts';
import type { RecordDestination } from '../manifest/record-place.ts';

/** For lines of text by a stream; the runtime has no datagrams for the native protocol. */
const socketPath = '/run/systemd/journal/stdout';

/** To start a program takes 10 ms, and on a node that is short of processors many times that. */
const programLimitMs = 1000;

/** SYSLOG_IDENTIFIER of our lines. */
export const journalIdentifier = 'mounter';

/**
 * systemd's journal. It adds the command line of whoever writes to it.
 * @param isSecret whether ours has a secret in it: then another program writes.
 */
export function openJournal(isSecret: boolean): RecordDestination {
  return {
    append: async (line, level) => {
      try {
        if (isSecret) await withTimeout(catProgram(line, level), programLimitMs);
        else await withTimeout(stream(header(level) + line));
      } catch {
        // No systemd here, or its journal is away.
      }
    },
  };
}

/** systemd-cat(1): three times as slow as our own stream. */
async function catProgram(line: string, level: number): Promise<void> {
  const [{ execa }, { findProgram }] = await Promise.all([import('execa'), import('../host/programs.ts')]);
  const argv = [`--identifier=${journalIdentifier}`, `--priority=${priority(level)}`];
  await execa(findProgram('systemd-cat'), argv, {
    input: line,
    stdout: 'ignore',
    stderr: 'ignore',
    cwd: '/',
  });
}

/**
 * Identifier, unit, priority (syslog's err or info), whether lines begin with a priority of their own, and
 * whether to forward to syslog, kmsg and the console; each on a line.
 * @see systemd's src/libsystemd/sd-journal/journal-send.c, sd_journal_stream_fd()
 */
function header(level: number): string {
  return `${journalIdentifier}\n\n${priority(level)}\n0\n0\n0\n0\n`;
}

function priority(level: number): number {
  return level >= 50 ? 3 : 6;
}

/** @returns when all of `text` is with the kernel. */
function stream(text: string): Promise<void> {
  const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;
  return bun === undefined ? streamOnNode(text) : streamOnBun(bun, text);
}

interface BunSocket {
  /** @returns how many bytes the kernel has taken. */
  write(bytes: Uint8Array): number;
  end(): void;
}

/** What we use of the Bun global: node:net takes longer to load. */
interface BunRuntime {
  connect(options: {
    readonly unix: string;
    readonly socket: {
      readonly open: (socket: BunSocket) => void;
      readonly drain: (socket: BunSocket) => void;
      readonly data: () => void;
      readonly close: () => void;
    };
  }): Promise<unknown>;
}

/**
 * Written as soon as the stream is open: journald ends its own half at once, and the runtime then closes ours.
 * Hence it is not opened earlier either, while the helper runs.
 */
function streamOnBun(bun: BunRuntime, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = new Uint8Array(Buffer.from(text));
    const write = (socket: BunSocket) => {
      rest = rest.subarray(Math.max(0, socket.write(rest)));
      if (rest.length > 0) return;
      socket.end();
      resolve();
    };
    const close = () => reject(new Error('the journal has closed the stream'));
    const socket = { open: write, drain: write, data: () => {}, close };
    bun.connect({ unix: socketPath, socket }).catch(reject);
  });
}

async function streamOnNode(text: string): Promise<void> {
  const { createConnection } = await import('node:net');
  const socket = createConnection({ path: socketPath, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => socket.end(text, resolve));
  });
}
