import './guest.ts';
import type { TestFn } from 'ava';
import { installAndPrepare, unmountAll } from './node.ts';
import { type NfsServer, type NfsServerRequest, nfsServer } from './server.ts';

/** The NFS servers that a test file can have. */
const requests = {
  server: { name: 'files', address: '10.9.0.1' },
  v3Server: { name: 'old', address: '10.9.1.1', versions: { v3: true, v4: false } },
  v4Server: { name: 'new', address: '10.9.2.1', versions: { v3: false, v4: true } },
  otherServer: { name: 'other', address: '10.9.5.1' },
} as const satisfies Readonly<Record<string, NfsServerRequest>>;

type Servers = { readonly [Name in keyof typeof requests]: NfsServer };

/**
 * The first line of a test file: `const { server, v3Server } = vmNode(test);`. The servers that are taken from the
 * result run while the tests do, and mounter is installed and prepared on the guest. After each test nothing is
 * mounted, and no lock service runs.
 */
export function vmNode(test: TestFn): Servers {
  const servers = nfsServers(test);
  test.serial.before(() => installAndPrepare());
  test.serial.afterEach.always(unmountAll);
  return servers;
}

/** The servers alone: those that are taken from the result run while the tests do. */
export function nfsServers(test: TestFn): Servers {
  const taken = new Map<string, NfsServer>();
  test.serial.before(async () => void (await Promise.all([...taken.values()].map((one) => one.start()))));
  test.serial.after.always(
    async () => void (await Promise.all([...taken.values()].map((one) => one.close()))),
  );
  const take = (name: keyof typeof requests): NfsServer => {
    const server = taken.get(name) ?? nfsServer(requests[name]);
    taken.set(name, server);
    return server;
  };
  return {
    get server() {
      return take('server');
    },
    get v3Server() {
      return take('v3Server');
    },
    get v4Server() {
      return take('v4Server');
    },
    get otherServer() {
      return take('otherServer');
    },
  };
}
