import { existsSync, readdirSync, statSync } from 'node:fs';
import test from 'ava';
import { installedMounter, kubeletDirectory, type ScratchNode } from '../support/node/namespace.ts';
import { linesOf, recordFile, recordNode } from '../support/node/record-node.ts';
import { parseExposition } from '../support/texts/exposition-grammar.ts';

const maximumBytes = 64 * 1024;
const log = { maximumBytes };
/** Two rotations take some 60 calls. */
const options = `vers=4,x=${'y'.repeat(1500)}`;
const callersAtOnce = 50;
const longestLine = 2048;
/** Who is killed while it rotates leaves that to the next, and each caller may write two lines meanwhile. */
const largestFile = maximumBytes + 2 * callersAtOnce * longestLine;

/** `count` mounts on targets of their own, `callersAtOnce` at a time. @returns how many succeeded. */
async function mountMany(node: ScratchNode, name: string, count: number, prefix: string): Promise<number> {
  const target = `${kubeletDirectory}/${name}/{}`;
  const call = `${prefix} ${installedMounter} mount -t nfs -o ${options} srv:/x ${target} && echo ok {}`;
  const words = `seq ${count} | xargs -P ${callersAtOnce} -I{} sh -c 'mkdir -p ${target}; ${call}' 2>/dev/null || true`;
  return (await node.shell(words)).split('\n').filter((line) => line.startsWith('ok ')).length;
}

async function countedMounts(node: ScratchNode): Promise<number> {
  return parseExposition(await node.mustRun('status', '--metrics'))
    .filter(({ name }) => name === 'mounter_mounts_total')
    .reduce((sum, { value }) => sum + value, 0);
}

/** Old enough to be whole, and no larger than the tries of a rotation let it become. */
function checkFiles(t: { true(value: boolean, message: string): void }, node: ScratchNode): void {
  // The last caller may have begun no new file yet.
  for (const path of [recordFile, `${recordFile}.1`].filter((name) => existsSync(node.path(name)))) {
    t.true(statSync(node.path(path)).size < largestFile, path);
    t.true(linesOf(node, path).length > 0, path);
  }
  const left = readdirSync(node.path('/var/log/containerized-mounter')).filter((name) =>
    /\.new|lock/.test(name),
  );
  t.true(left.length === 0, left.join(' '));
}

test.serial(
  '50 callers at once over many rotations: whole lines, and every mount counted once',
  async (t) => {
    await using node = await recordNode({ log });
    t.is(await mountMany(node, 'first', 400, ''), 400);
    t.is(await countedMounts(node), 400);
    t.true(statSync(node.path(`${recordFile}.totals`)).size > 0, 'that was no rotation');
    // Of two rotations in a row the second would have thrown away what the first had kept.
    t.true(statSync(node.path(`${recordFile}.1`)).size >= maximumBytes);
    checkFiles(t, node);
  },
);

test.serial('counters never go down, whoever is killed and whenever', async (t) => {
  await using node = await recordNode({ log });
  const seen: number[] = [];
  let isOver = false;
  const watch = (async () => {
    while (!isOver) seen.push(await countedMounts(node));
  })();
  // On a slow machine nobody else comes to his end: every tenth has a minute.
  const seconds = '$(( {} % 10 == 7 ? 60 : 0 )).$(( ({} * 7) % 10 ))5';
  const killed = await mountMany(node, 'killed', 300, `timeout -s KILL ${seconds}`);
  const calm = await mountMany(node, 'calm', 100, '');
  isOver = true;
  await watch;
  t.is(calm, 100);
  t.true(killed > 0 && killed < 300, `${killed} of 300 came to their end`);
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  const counted = await countedMounts(node);
  t.true(counted >= killed + calm && counted <= 400, `${counted} counted, ${killed} + ${calm} succeeded`);
  checkFiles(t, node);
});

test.serial(
  'a disk that is full at the rotation: nothing is lost, and it is rotated when there is room',
  async (t) => {
    const directory = recordFile.slice(0, recordFile.lastIndexOf('/'));
    await using node = await recordNode({ log });
    await node.shell(`mount -t tmpfs -o size=400k tmpfs ${directory}; chmod 755 ${directory}`);
    t.is(await mountMany(node, 'first', 60, ''), 60);
    await node.shell(`head -c 400000 /dev/zero >${directory}/full 2>/dev/null || true`);
    t.is(await mountMany(node, 'full', 60, ''), 60, 'a mount needs no room for its line');
    const counted = await countedMounts(node);
    t.true(counted >= 60 && counted < 120, `${counted} counted`);
    await node.shell(`rm ${directory}/full`);
    t.is(await mountMany(node, 'later', 80, ''), 80);
    t.is(await countedMounts(node), counted + 80);
    t.true(statSync(node.path(recordFile)).size < 2 * maximumBytes);
  },
);
