import { driverFor } from '../mount/filesystems/filesystems.ts';
import { readEntry } from '../mount/policy/entry.ts';

/** What would be the same for every call is made when the front is built. */

/** QuickJS makes a function of its own when somebody looks at it. */
for (const owner of [Object, Array.prototype, String.prototype])
  for (const name of Reflect.ownKeys(owner)) Object.getOwnPropertyDescriptor(owner, name);

// The other drivers are loaded by the mount that needs them: with all in memory the front would be larger.
const { options } = await driverFor('nfs');
for (const entry of options.forbidden) readEntry(options, entry);
