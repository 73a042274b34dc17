import { mkdtempSync, writeFileSync } from 'node:fs';
import { startGlusterServer } from '../gluster/gluster-server.ts';
import { startNfsServer } from '../guest/server.ts';

/** Runs the servers until SIGTERM: `node servers.ts FILE`, which is made when they answer. */
const files = await startNfsServer({ name: 'files', address: '10.9.0.1' });
// NFSv3 alone.
const old = await startNfsServer({ name: 'old', address: '10.9.1.1', versions: { v3: true, v4: false } });
const bricks = mkdtempSync('/server/data/bricks-');
await startGlusterServer({ volumes: ['v1'], network: 'current', bricks });
process.on('SIGTERM', async () => {
  // A kernel server whose namespace ends beneath it waits for its own rpcbind, and a reboot for both.
  await Promise.allSettled([files.close(), old.close()]);
  process.exit(0);
});
writeFileSync(process.argv[2] ?? '', '');
