import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { readAheadFile } from '../../src/host/mountinfo.ts';
import {
  entriesOf,
  home,
  installAndPrepare,
  mountNfs,
  mustSucceed,
  newTarget,
} from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { setEnter } from '../support/node/enter-mode.ts';

/** The read-ahead of real NFS mounts, as the kernel has it. */

const { server } = vmNode(test);
const source = (): string => `${server.address}:/srv/vol1`;

async function readAheadAt(target: string): Promise<number> {
  const [entry] = await entriesOf(target);
  if (entry === undefined) throw new Error(`${target}: nothing is mounted`);
  return Number(await readFile(`/sys/${readAheadFile(entry.device)}`, 'utf8'));
}

/** A new target, mounted without a word said. */
async function mounted(
  t: { like: (call: object, wanted: object) => void },
  options: string,
): Promise<string> {
  const target = await newTarget();
  t.like(await mountNfs(source(), target, options), { status: 0, output: '' });
  return target;
}

async function setReadAhead(enter: 'attach' | 'chroot', kib: number | null): Promise<void> {
  await setEnter(home, enter);
  const settings = JSON.parse(await readFile(`${home}/node-settings.json`, 'utf8'));
  const filesystems = { nfs: { readAheadKib: kib } };
  await writeFile(`${home}/node-settings.json`, JSON.stringify({ ...settings, filesystems }));
  await mustSucceed(`${home}/mounter`, 'prepare');
}

for (const enter of ['attach', 'chroot'] as const) {
  test.serial(`${enter}: a volume's read-ahead is that of its filesystem, v3 and v4`, async (t) => {
    await installAndPrepare(enter);
    for (const version of ['vers=3,nolock', 'vers=4.2']) {
      t.is(await readAheadAt(await mounted(t, `${version},sync`)), 1024, 'as we ship it');
      for (const kib of [4096, 0, 16_384])
        t.is(await readAheadAt(await mounted(t, `${version},x-mounter.read-ahead=${kib},nosharecache`)), kib);
    }
  });

  test.serial(`${enter}: a volume counts for more than the settings, and the last for all`, async (t) => {
    await installAndPrepare(enter);
    await setReadAhead(enter, 512);
    const first = await mounted(t, 'vers=4.2');
    t.is(await readAheadAt(first), 512);
    const second = await mounted(t, 'vers=4.2,x-mounter.read-ahead=4096');
    await mounted(t, 'vers=4.2');
    for (const target of [first, second]) t.is(await readAheadAt(target), 4096);
    const alone = await mounted(t, 'vers=4.2,nosharecache');
    t.deepEqual([await readAheadAt(alone), await readAheadAt(second)], [512, 4096]);
    await setReadAhead(enter, null);
    t.is(await readAheadAt(await mounted(t, 'vers=4.2,nosharecache')), 128);
  });
}

for (const [without, change] of [
  ['read-only', 'mount -o remount,bind,ro /sys'],
  ['not there', 'umount --lazy /sys'],
] as const)
  test.serial(`a container whose /sys is ${without} sets it all the same`, async (t) => {
    await installAndPrepare('attach');
    // A mount of the same filesystem, by which the host sees what the container does to it.
    const seen = await mounted(t, 'vers=4.2');
    const options = 'vers=4.2,x-mounter.read-ahead=2048';
    const script = `${change}; exec "$1/mounter" mount -t nfs -o ${options} "$2" "$3" 2>&1`;
    const words = [home, source(), await newTarget()];
    t.is((await execa('unshare', ['--mount', 'sh', '-euc', script, 'sh', ...words])).stdout, '');
    t.is(await readAheadAt(seen), 2048);
  });
