import { mkdir } from 'node:fs/promises';
import { home } from '../../../test/support/guest/node.ts';
import { dropPackets } from '../../../test/support/guest/packets.ts';
import type { NfsServer } from '../../../test/support/guest/server.ts';
import { benchDirectory } from '../calls/programs.ts';
import type { SourceOf } from '../storm/calls.ts';
import { makeStorm } from '../storm/make.ts';
import type { StormReport } from '../storm/report.ts';

/** Storms of NFSv4.2 mounts with the real mount.nfs: to a real server, and to an address that is silent. */

/** In the server's network, where nobody has it. */
const silentAddress = '10.9.0.99';

/** @param say is told of each storm before it is made. */
export async function makeStorms(
  server: NfsServer,
  count: number,
  calls: number,
  say: (text: string) => void,
): Promise<readonly StormReport[]> {
  await dropPackets(server.device, silentAddress);
  for (let index = 0; index < calls; index += 1)
    await mkdir(`${server.directory}/vol1/volume-${index}`, { recursive: true });
  const addresses = { healthy: server.address, dead: silentAddress };
  const sourceOf: SourceOf = (which, index) => `${addresses[which]}:/srv/vol1/volume-${index}`;
  const reports: StormReport[] = [];
  for (let round = 1; round <= count; round += 1) {
    for (const dead of [0, calls]) {
      const name = `${calls} healthy mounts ${dead === 0 ? 'alone' : `beside ${dead} dead ones`}`;
      say(`storm ${round} of ${count}: ${name}`);
      const storm = { name, healthy: calls, dead };
      reports.push(await makeStorm(storm, `${benchDirectory}/launch`, `${home}/mounter`, sourceOf));
    }
  }
  return reports;
}
