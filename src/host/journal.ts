import type { RecordDestination } from '../record/destination.ts';
import { soon } from './soon.ts';

/** For lines of text by a stream; the runtime has no datagrams for the native protocol. */
const socketPath = '/run/systemd/journal/stdout';

/** SYSLOG_IDENTIFIER of our lines. */
export const journalIdentifier = 'mounter';

interface Stream {
  /** @returns when all of it is with the kernel. */
  end(text: string): Promise<void>;
}

/** systemd's journal. */
export function openJournal(): RecordDestination {
  const connecting = connect();
  // Nobody may wait for it before it fails.
  connecting.catch(() => {});
  return {
    append: async (line, level) => {
      try {
        await soon(connecting.then((stream) => stream.end(header(level) + line)));
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
  return `${journalIdentifier}\n\n${level >= 50 ? 3 : 6}\n0\n0\n0\n0\n`;
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
    end: async (text) => {
      let rest = new Uint8Array(Buffer.from(text));
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
  return { end: (text) => new Promise((resolve) => socket.end(text, resolve)) };
}
