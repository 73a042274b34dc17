import { mkdtempSync, writeFileSync } from 'node:fs';
import { startGlusterServer } from '../../scripts/gluster-server.ts';
import { startNfsServer } from '../vm/server.ts';

/** Runs the servers until it is ended: `node servers.ts FILE`, which is made when they answer. */
await startNfsServer({ name: 'files', address: '10.9.0.1' });
// NFSv3 alone.
await startNfsServer({ name: 'old', address: '10.9.1.1', versions: { v3: true, v4: false } });
const bricks = mkdtempSync('/server/data/bricks-');
await startGlusterServer({ volumes: ['v1'], network: 'current', bricks });
writeFileSync(process.argv[2] ?? '', '');
