import type { RecordDestination } from '../record/destination.ts';
import { soon } from './soon.ts';

/** For lines of text by a stream; the runtime has no datagrams for the native protocol. */
const socketPath = '/run/systemd/journal/stdout';

/** SYSLOG_IDENTIFIER of our lines. */
export const journalIdentifier = 'mounter';

interface Stream {
  /** @returns when all of it is with the kernel. */
  end(line: string, level: number): Promise<void>;
}

/** systemd-cat(1): three times as slow as our own stream. */
async function catProgram(): Promise<Stream> {
  const [{ execa }, { findProgram }] = await Promise.all([import('execa'), import('./programs.ts')]);
  const program = findProgram('systemd-cat');
  return {
    end: async (line, level) => {
      const argv = [`--identifier=${journalIdentifier}`, `--priority=${priority(level)}`];
      await execa(program, argv, { input: line, stdout: 'ignore', stderr: 'ignore', cwd: '/' });
    },
  };
}

/**
 * systemd's journal. It adds the command line of whoever writes to it.
 * @param isSecret whether ours has a secret in it: then another program writes.
 */
export function openJournal(isSecret: boolean): RecordDestination {
  const connecting = isSecret ? catProgram() : connect();
  // Nobody may wait for it before it fails.
  connecting.catch(() => {});
  return {
    append: async (line, level) => {
      try {
        await soon(connecting.then((stream) => stream.end(line, level)));
      } catch {
        // No systemd here, or its journal is away.
      }
    },
  };
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

function connect(): Promise<Stream> {
  const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;
  return bun === undefined ? connectOnNode() : connectOnBun(bun);
}

/** What we use of the Bun global: node:net takes longer to load. */
interface BunRuntime {
  connect(options: {
    readonly unix: string;
    readonly socket: {
      readonly data: () => void;
      readonly drain: () => void;
      readonly close: () => void;
      readonly error: () => void;
    };
  }): Promise<{ write(text: Uint8Array): number; end(): void }>;
}

async function connectOnBun(bun: BunRuntime): Promise<Stream> {
  let onDrain = () => {};
  const nothing = () => {};
  const handlers = { data: nothing, drain: () => onDrain(), close: () => onDrain(), error: () => onDrain() };
  const socket = await bun.connect({ unix: socketPath, socket: handlers });
  return {
    end: async (line, level) => {
      let rest = new Uint8Array(Buffer.from(header(level) + line));
      for (;;) {
        const drained = new Promise<void>((resolve) => {
          onDrain = resolve;
        });
        const written = socket.write(rest);
        if (written < 0 || written >= rest.length) break;
        rest = rest.subarray(written);
        await drained;
      }
      socket.end();
    },
  };
}

async function connectOnNode(): Promise<Stream> {
  const { createConnection } = await import('node:net');
  const socket = createConnection(socketPath);
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return { end: (line, level) => new Promise((resolve) => socket.end(header(level) + line, resolve)) };
}
