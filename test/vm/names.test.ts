import { mkdir, readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import {
  entriesOf,
  entriesPerVolume,
  kubeletDirectory,
  mountNfs,
  unmountAll,
} from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

const { server } = vmNode(test);

const names = [
  'a,b',
  'a b  c',
  `it's "quoted"`,
  'back\\slash\\040',
  '$(evil);`x`|*?[a]&',
  '-o',
  '․․',
  'e\u0301',
  '#x',
  'x'.repeat(255),
];

for (const version of ['4.2', '3']) {
  test.serial(
    `v${version}: a sub-directory of any name is mounted on a target of the same name`,
    async (t) => {
      for (const name of names) {
        await mkdir(`${server.directory}/vol1/${name}`, { recursive: true });
        await writeFile(`${server.directory}/vol1/${name}/file`, name);
        const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~nfs/${name}`;
        await mkdir(target, { recursive: true });
        const options = `vers=${version},nolock`;
        const { status, output } = await mountNfs(`${server.address}:/srv/vol1/${name}`, target, options);
        t.is(status, 0, `${name}: ${output}`);
        if (status === 0) t.is(await readFile(`${target}/file`, 'utf8'), name);
        t.is((await entriesOf(target)).length, status === 0 ? entriesPerVolume : 0, name);
        await unmountAll();
      }
    },
  );
}

test.serial('options of 100 kB fail in words, and nothing is mounted', async (t) => {
  const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~nfs/long`;
  await mkdir(target, { recursive: true });
  const options = `vers=4.2,clientaddr=${'a'.repeat(100_000)}`;
  const { status, output } = await mountNfs(`${server.address}:/srv/vol1`, target, options);
  t.not(status, 0);
  t.regex(output, /^mounter: /);
  t.deepEqual(await entriesOf(target), []);
});
