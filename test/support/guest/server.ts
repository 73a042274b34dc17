import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { Machine, script } from './machine.ts';

export interface NfsServerRequest {
  /** At most 11 characters; names the network device on the node and the directory of the data. */
  readonly name: string;
  /** As of `MachineRequest`. */
  readonly address: string;
  /** Both if left out. A server without v3 has no rpcbind either, as is usual. */
  readonly versions?: { readonly v3: boolean; readonly v4: boolean };
  /** Path → exports(5) clients and options; `standardExports` if left out. */
  readonly exports?: Readonly<Record<string, string>>;
}

export type NfsServer = Machine;

/** What every server of the tests has in /srv; `secret` is exported to others only. */
const standardExports = {
  '/srv/vol1': '*(rw,no_subtree_check,no_root_squash)',
  '/srv/vol2': '*(rw,no_subtree_check,no_root_squash)',
  '/srv/readonly': '*(ro,no_subtree_check,no_root_squash)',
  '/srv/secret': '192.0.2.0/24(rw,no_subtree_check)',
} as const;

/**
 * An NFS server that does not run yet; it answers about 0.5 s after its start. Its files: `vol1/file`, `vol1/sub/file`
 * and `readonly/file`, each with its own path as content.
 */
export function nfsServer({ name, address, versions, exports }: NfsServerRequest): NfsServer {
  const directory = join('/server/data', name);
  return new Machine({
    device: `nfs-${name}`,
    address,
    directory,
    services: readFileSync(script('nfs-server.sh'), 'utf8'),
    environment: {
      VERSIONS: versionList(versions ?? { v3: true, v4: true }),
      EXPORTS: exportsText(exports ?? standardExports),
    },
    beforeStart: async () => {
      await makeFiles(directory);
      await execa('modprobe', ['nfsd']);
    },
    beforeStop: 'rpc.nfsd 0',
  });
}

/** @throws Error with what the daemons said. */
export async function startNfsServer(request: NfsServerRequest): Promise<NfsServer> {
  const server = nfsServer(request);
  await server.start();
  return server;
}

/** What `nfsServer` says, for each server of these tests. */
export async function makeFiles(directory: string): Promise<void> {
  for (const name of ['vol1/sub', 'vol2', 'readonly', 'secret']) {
    await mkdir(join(directory, name), { recursive: true });
  }
  for (const name of ['vol1/file', 'vol1/sub/file', 'readonly/file']) {
    await writeFile(join(directory, name), `${name}\n`);
  }
}

function versionList(versions: { readonly v3: boolean; readonly v4: boolean }): string {
  return [...(versions.v3 ? ['3'] : []), ...(versions.v4 ? ['4'] : [])].join(',');
}

function exportsText(exports: Readonly<Record<string, string>>): string {
  return Object.entries(exports)
    .map(([path, clients]) => `${path} ${clients}\n`)
    .join('');
}
