import { exitCode } from '../../../src/exit-codes.ts';
import { guestPlace, realNfs } from '../../../test/support/guest/mounting-place.ts';
import { unmountAll } from '../../../test/support/guest/node.ts';
import { startNfsServer } from '../../../test/support/guest/server.ts';
import type { EnterMode } from '../../../test/support/node/enter-mode.ts';
import { soakCallers } from './callers.ts';

/** The part of `npm run soak:callers` that runs in the test VM: `callers-in-guest.ts ROUNDS SEED WAY…`. */
const [rounds, seed, ...ways] = process.argv.slice(2);

const server = await startNfsServer({ name: 'files', address: '10.9.0.1' });
let wrong = 0;
for (const enter of ways) {
  for (const version of ['4.2', '3'] as const) {
    console.log(`enter: ${enter}, NFSv${version}`);
    const place = await guestPlace(realNfs(server, version), enter as EnterMode);
    wrong += await soakCallers(place, Number(rounds), Number(seed), (line) => console.log(line));
  }
}
await unmountAll();
await server.close();
process.exitCode = wrong === 0 ? exitCode.success : exitCode.system;
