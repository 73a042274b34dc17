import test from 'ava';
import { bootMachine } from '../support/arm64/machine.ts';

/** A whole node of arm64, with Debian's kernel: see node.sh for what is done on it. */

test('a node of arm64 installs, prepares, and mounts NFSv3 with a lock, NFSv4 and GlusterFS', async (t) => {
  t.timeout(1_800_000);
  const { status, output } = await bootMachine((text) => process.stderr.write(text));
  t.is(status, 0, output);
  for (const volume of [
    '10\\.9\\.0\\.1:/srv/vol1 \\S+ nfs .*vers=3,',
    '10\\.9\\.0\\.1:/srv/vol1 \\S+ nfs4 .*vers=4\\.2,',
    '10\\.9\\.3\\.1:vol \\S+ fuse\\.glusterfs',
  ])
    t.regex(output, new RegExp(`^${volume}`, 'm'));
  for (const [, seconds = '', step = ''] of output.matchAll(/^step (\d+) s: (.*)$/gm))
    t.log(`${seconds} s: ${step}`);
});
