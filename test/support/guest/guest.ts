import { existsSync } from 'node:fs';

// They change the network, kill rpcbind and mount over /server: never on a developer's machine.
if (!existsSync('/control/command') || !existsSync('/server/etc/exports')) {
  throw new Error(
    'these tests run in the test VM: node test/support/vm.ts -- ava --serial test/vm/NAME.test.ts',
  );
}
