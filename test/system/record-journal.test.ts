import { existsSync } from 'node:fs';
import test from 'ava';
import { ensureInstalled } from '../../scripts/debian.ts';
import type { ScratchNode } from '../support/node/namespace.ts';
import { mountWords, recordFile, recordNode, volume } from '../support/node/record-node.ts';

const log = { to: 'journal' };

/** The real journald, on a node that has no systemd otherwise. */
const startJournal = `mkdir -p /run/systemd/journal /run/log/journal; rm -f ${recordFile}
setsid /lib/systemd/systemd-journald </dev/null >/dev/null 2>&1 &
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && exit; sleep 0.1; done; exit 1`;

test.before(() => ensureInstalled(['systemd']));

async function journalOf(node: ScratchNode): Promise<readonly Record<string, string>[]> {
  const text = await node.shell('journalctl --sync; journalctl --no-pager --all -o json -t mounter');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

const tries = 3;

/**
 * A node that has made the calls. On one that is short of processors a line may be given up: where the journal has fewer
 * entries than `count`, another one makes them again.
 */
async function nodeWithEntries(
  count: number,
  makeCalls: (node: ScratchNode) => Promise<void>,
): Promise<ScratchNode> {
  for (let attempt = 1; ; attempt += 1) {
    const node = await recordNode({ log, before: startJournal });
    try {
      await makeCalls(node);
      if (attempt === tries || (await journalOf(node)).length >= count) return node;
    } catch (error) {
      await node.dispose();
      throw error;
    }
    await node.dispose();
  }
}

test.serial('the journal has each call with its priority, and mounter log reads it back', async (t) => {
  await using node = await nodeWithEntries(3, async (one) => {
    t.is((await one.mounter(...mountWords, 'srv:/x', volume)).status, 0);
    t.is((await one.mounter(...mountWords, 'srv:/y', volume)).status, 32);
  });
  const entries = await journalOf(node);
  t.deepEqual(
    entries.map(({ PRIORITY, MESSAGE = '' }) => [PRIORITY, JSON.parse(MESSAGE).command]),
    [
      ['6', 'prepare'],
      ['6', 'mount'],
      ['3', 'mount'],
    ],
  );
  t.regex(await node.mustRun('log', '--failures'), /not srv:\/y\n/);
  // Anybody can write to the journal, under any name.
  const forged = (entries[1]?.MESSAGE ?? '').replaceAll('srv:/x', 'forged:/x');
  await node.shell(`setpriv --reuid 65534 --clear-groups systemd-cat -t mounter echo '${forged}'`);
  t.is((await journalOf(node)).length, 4);
  t.notRegex(await node.mustRun('log'), /forged/);
  t.regex(
    await node.mustRun('status', '--metrics'),
    /mounter_mounts_total\{fstype="nfs",result="success",class="none"\} 1\n/,
  );
  t.false(existsSync(node.path(recordFile)));
});

test.serial(
  'no secret of a command line reaches the journal, which keeps the command line of its clients',
  async (t) => {
    const words = ['mount', '-t', 'nfs', '-o', 'vers=4,password=hunter2', 'srv:/x', volume];
    await using node = await nodeWithEntries(3, async (one) => {
      t.is((await one.mounter(...words)).status, 0);
      t.is((await one.mounter(...words)).status, 32);
    });
    const entries = await journalOf(node);
    t.deepEqual(
      entries.map(({ PRIORITY }) => PRIORITY),
      ['6', '6', '3'],
    );
    t.false(JSON.stringify(entries).includes('hunter2'));
    t.true(entries[1]?.MESSAGE?.includes('password=<masked>'));
  },
);

for (const [name, script] of [
  ['no journal', 'true'],
  ['a journal that does not answer', `mkdir -p /run/systemd/journal; : >/run/systemd/journal/stdout`],
] as const) {
  test.serial(`${name}: the mount works`, async (t) => {
    await using node = await recordNode({ log, before: script });
    t.deepEqual(await node.mounter(...mountWords, 'srv:/x', volume), { status: 0, stdout: '', stderr: '' });
    t.is((await node.mounter(...mountWords, 'srv:/y', volume)).status, 32);
  });
}
