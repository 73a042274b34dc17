import { exitCode } from '../../../src/exit-codes.ts';
import { unmountAll } from '../../../test/support/guest/node.ts';
import { startNfsServer } from '../../../test/support/guest/server.ts';
import { measureFirstMounts, measureOriginal } from './first-mounts.ts';
import { measureMounts } from './mounts.ts';
import { makeAttachNode, makeChrootNode, type NfsBenchNode } from './nodes.ts';
import type { NfsBenchRequest, NfsBenchResults } from './results.ts';
import { makeStorms } from './storms.ts';

/**
 * The part of the benchmark that runs in the test VM: `inside.ts REQUEST`, an NfsBenchRequest in JSON. Prints lines
 * that say how far it has come, and one line of JSON: NfsBenchResults.
 */
async function measureAll(request: NfsBenchRequest): Promise<NfsBenchResults> {
  const { rounds, firstMounts: count, storms, calls, enter } = request;
  say('a server and the nodes');
  const server = await startNfsServer({ name: 'files', address: '10.9.0.1' });
  const source = `${server.address}:/srv/vol1`;
  const others: readonly NfsBenchNode[] = enter.includes('attach') ? [await makeAttachNode()] : [];
  const nodes = [await makeChrootNode(), ...others];
  say(`NFSv4.2 mounts, ${rounds} rounds`);
  const mounts = await measureMounts(source, nodes, rounds);
  say(`first NFSv3 mounts, ${count} times`);
  const firstMounts = await measureFirstMounts(source, count);
  say("first NFSv3 mount, the original's way");
  const { original, helpedOriginal } = await measureOriginal(source);
  const reports = await makeStorms(server, storms, calls, say);
  await unmountAll();
  for (const node of nodes) node.close();
  await server.close();
  return {
    mounts: mounts.filter((sample) => sample.subject === 'chroot' || enter.includes(sample.enter)),
    firstMounts,
    original,
    helpedOriginal,
    storms: reports,
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  const results = await measureAll(JSON.parse(process.argv[2] ?? '') as NfsBenchRequest);
  say(JSON.stringify(results));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = exitCode.system;
}
