import test from 'ava';
import { runPlan } from '../../../../src/mount/run.ts';
import type { HostModel } from '../../../support/model/host-model.ts';
import {
  attachNode,
  contextOf,
  isHelper,
  nodes,
  planFor,
  target,
} from '../../../support/model/node-model.ts';

/** The model's target keeps the device that it had before. */
const files = { attach: 'class/bdi/0:50/read_ahead_kb', chroot: 'class/bdi/0:1/read_ahead_kb' } as const;

interface Asked {
  readonly kib: number;
  readonly by: 'volume' | 'node';
  /** What the kernel has before; undefined: no such file. */
  readonly before: string | undefined;
  readonly rsize?: number;
}

/** Mounts, and says what the filesystem has then, and what is said to the caller. */
async function mounted(
  way: keyof typeof files,
  host: HostModel,
  { kib, by, before, rsize = 262_144 }: Asked,
) {
  const file = files[way];
  if (before !== undefined) host.kernelFiles.set(file, before);
  host.onRun = (command) => {
    const superOptions = `rw,vers=4.2,rsize=${rsize}`;
    if (isHelper(command.argv)) host.mountBy(command, { source: 'srv:/x', fstype: 'nfs4', superOptions });
    return {};
  };
  const plan = planFor('-t', 'nfs', '-o', 'vers=4.2', 'srv:/x', target);
  const step = { kind: 'setReadAhead', kib, isOfVolume: by === 'volume' } as const;
  const steps = plan.steps.map((one) => (one.kind === 'setReadAhead' ? step : one));
  const { helperOutput } = await runPlan({ ...plan, steps }, contextOf(host));
  return { after: host.kernelFiles.get(file), said: helperOutput, isMounted: host.mounts.has(target) };
}

for (const [way, node] of nodes) {
  for (const [asked, after] of [
    [{ kib: 1024, by: 'volume', before: '128\n' }, '1024'],
    [{ kib: 1024, by: 'node', before: '128\n' }, '1024'],
    [{ kib: 0, by: 'volume', before: '128\n' }, '0'],
    // NFS before Linux 5.4 begins with 15 requests.
    [{ kib: 1024, by: 'node', before: '3840\n' }, '1024'],
    [{ kib: 1024, by: 'node', before: '15360\n', rsize: 1_048_576 }, '1024'],
    // Another volume of the same filesystem has one of its own.
    [{ kib: 1024, by: 'node', before: '4096\n' }, '4096\n'],
    [{ kib: 1024, by: 'volume', before: '4096\n' }, '1024'],
    [{ kib: 1024, by: 'volume', before: '1024\n' }, '1024\n'],
  ] as const satisfies readonly (readonly [Asked, string])[]) {
    const { before, ...rest } = asked;
    test(`${way}: ${JSON.stringify(rest)} on ${before.trim()} KiB leaves ${after.trim()}`, async (t) =>
      t.deepEqual(await mounted(way, node(), asked), { after, said: '', isMounted: true }));
  }

  test(`${way}: a kernel without the file, or that takes another number, fails no mount`, async (t) => {
    const none = await mounted(way, node(), { kib: 1024, by: 'volume', before: undefined });
    t.true(none.isMounted);
    const byNode = await mounted(way, node(), { kib: 1024, by: 'node', before: undefined });
    t.deepEqual(byNode, { after: undefined, said: '', isMounted: true });
    t.is(
      none.said,
      `mounter: ${target}: is mounted, but its read-ahead is not 1024 KiB: /sys/${files[way]}: ENOENT\n`,
    );
    const host = node();
    host.onKernelFile = () => '128\n';
    const deaf = await mounted(way, host, { kib: 1024, by: 'volume', before: '128\n' });
    t.true(deaf.isMounted);
    t.regex(deaf.said, /its read-ahead is not 1024 KiB: the kernel has 128 KiB\n$/);
  });
}

test('a kernel with larger pages rounds down, which is no error', async (t) => {
  const host = attachNode();
  host.onKernelFile = (text) => `${Number(text) - (Number(text) % 64)}\n`;
  const { said, after } = await mounted('attach', host, { kib: 1000, by: 'volume', before: '128\n' });
  t.deepEqual({ said, after }, { said: '', after: '960\n' });
});

test('whatever goes wrong on the way is told, and the mount is there', async (t) => {
  const host = attachNode();
  host.changeKernelFile = () => {
    throw new Error('no way');
  };
  const { said, isMounted } = await mounted('attach', host, { kib: 1024, by: 'node', before: '128\n' });
  t.true(isMounted);
  t.regex(said, /^mounter: .*: is mounted, but its read-ahead is not 1024 KiB: no way\n$/);
});
