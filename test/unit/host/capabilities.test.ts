import test from 'ava';
import { capabilityBits } from '../../../src/host/capabilities.ts';

test('each name is the bit that linux/capability.h gives it', (t) => {
  t.is(capabilityBits([]), 0);
  t.is(capabilityBits(['CHOWN']), 1);
  t.is(capabilityBits(['SYS_ADMIN']), 2 ** 21);
  t.is(capabilityBits(['NET_BIND_SERVICE', 'SYS_ADMIN', 'DAC_OVERRIDE']), 2 ** 10 + 2 ** 21 + 2);
});

test('a name that nobody knows is no capability that is silently left out', (t) => {
  for (const name of ['CAP_SYS_ADMIN', 'sys_admin', 'SYS_PTRACE', ''])
    t.throws(() => capabilityBits([name]), { message: `there is no capability ${name}` });
});
