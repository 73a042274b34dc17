import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { Machine, script } from './machine.ts';
import { makeFiles } from './server.ts';

export interface SmbServerRequest {
  /** At most 11 characters; names the network device on the node and the directory of the data. */
  readonly name: string;
  /** As of `MachineRequest`. */
  readonly address: string;
  /** `SMB2` if left out, which is what Samba itself begins with. @see smb.conf(5), server min protocol */
  readonly leastProtocol?: 'NT1' | 'SMB2' | 'SMB3_11';
}

/** Name → password. A password has what a list of options, a shell or a file could take for something else. */
export const smbUsers = { alice: `open, sesame=1%2 "$HOME"`, bob: 'swordfish' } as const;

/**
 * A server with Samba's smbd that does not run yet; it answers about 0.3 s after its start. Its shares are `vol1`,
 * `vol2`, `readonly`, and `secret`, which is bob's alone; its files those of `nfsServer`.
 */
function smbServer(request: SmbServerRequest): Machine {
  const { name, address, leastProtocol = 'SMB2' } = request;
  const directory = join('/server/data', `smb-${name}`);
  return new Machine({
    device: `smb-${name}`,
    address,
    directory,
    services: readFileSync(script('smb-server.sh'), 'utf8'),
    environment: {
      LEAST_PROTOCOL: leastProtocol,
      USERS: Object.entries(smbUsers)
        .map(([user, password]) => `${user}:${password}\n`)
        .join(''),
    },
    beforeStart: async () => {
      await makeFiles(directory);
      await execa('chmod', ['-R', 'a+rwX', directory]);
    },
  });
}

/** @throws Error with what smbd said. */
export async function startSmbServer(request: SmbServerRequest): Promise<Machine> {
  const server = smbServer(request);
  await server.start();
  return server;
}
