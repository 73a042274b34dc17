import { driverAtHand } from '../mount/filesystems/filesystems.ts';
import { readEntry } from '../mount/policy/entry.ts';

/** What would be the same for every call is made when the front is built. */

/** QuickJS makes a function of its own when somebody looks at it. */
for (const owner of [Object, Array.prototype, String.prototype])
  for (const name of Reflect.ownKeys(owner)) Object.getOwnPropertyDescriptor(owner, name);

const { options } = driverAtHand;
for (const entry of options.forbidden) readEntry(options, entry);
