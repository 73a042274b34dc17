import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { exitCode } from '../../src/exit-codes.ts';
import { DockerRegistry } from '../../test/support/image/docker-registry.ts';
import { runMain, runScript, usageError, wholeNumber } from '../command-line.ts';
import { ensureInstalled } from '../debian.ts';
import { mounterExecutable } from '../paths.ts';
import { differencesOf } from './image/differences.ts';
import { makeLargeLayers } from './image/large-image.ts';
import { makeTestLayers, writeTestImage } from './image/test-image.ts';
import { readTree } from './image/tree.ts';
import { mounterInstall, skopeoAndUmoci, type Unpacker } from './image/unpackers.ts';
import { spreadOf } from './report/statistics.ts';

/** Ours, as a share of the time of skopeo and umoci. */
const target = 0.7;
const shownDifferences = 100;

interface Flags {
  readonly rounds: number;
  readonly bytes: number;
  readonly mounter: string | undefined;
  readonly directory: string;
}

async function main(flags: Flags): Promise<number> {
  const ours = mounterInstall(await findExecutable(flags.mounter));
  await ensureInstalled(['attr', 'skopeo', 'umoci', 'tar']);
  const scratch = await mkdtemp(join(flags.directory, 'image-comparison-'));
  try {
    return await compare(ours, flags, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function compare(ours: Unpacker, { bytes, rounds }: Flags, scratch: string): Promise<number> {
  const { layers } = await makeTestLayers(await mkdtemp(join(scratch, 'test-')));
  const large = await makeLargeLayers(bytes, await mkdtemp(join(scratch, 'large-')));
  await using registry = await DockerRegistry.start();
  const push = async (tars: readonly string[], name: string) =>
    registry.pushForDigest(await writeTestImage(tars, 'gzip', join(scratch, name)), `${name}:test`);
  const [test, largeImage] = [await push(layers, 'test'), await push(large, 'large')];
  const differences =
    (await compareTrees(ours, 'test image', test, scratch)) +
    (await compareTrees(ours, 'larger image', largeImage, scratch));
  await compareTimes(
    [ours, skopeoAndUmoci('unpack'), skopeoAndUmoci('raw unpack')],
    largeImage,
    rounds,
    scratch,
  );
  return differences === 0 ? exitCode.success : exitCode.system;
}

/** @returns how many differences there are. */
async function compareTrees(
  ours: Unpacker,
  name: string,
  reference: string,
  scratch: string,
): Promise<number> {
  const treeBy = async (unpacker: Unpacker) => readTree((await unpacker.unpack(reference, scratch)).root);
  const expected = await treeBy(skopeoAndUmoci('raw unpack'));
  const differences = differencesOf(expected, await treeBy(ours));
  process.stdout.write(`${name}: ${expected.size} names, ${differences.length} differences\n`);
  for (const line of differences.slice(0, shownDifferences)) process.stdout.write(`  ${line}\n`);
  if (differences.length > shownDifferences) process.stdout.write('  …\n');
  return differences.length;
}

/**
 * In turn, so that what else the machine does is shared; the first round is not counted. The trees stay until
 * the end: ext4 makes new inodes slowly where others were deleted in the last minutes (recently_deleted() in
 * the kernel's fs/ext4/ialloc.c), up to five times.
 */
async function compareTimes(
  unpackers: readonly [Unpacker, ...Unpacker[]],
  reference: string,
  rounds: number,
  scratch: string,
): Promise<void> {
  const times = new Map<Unpacker, number[]>(unpackers.map((unpacker) => [unpacker, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const unpacker of unpackers) {
      // Nobody waits for another's writes.
      await execa('sync');
      const { ms } = await unpacker.unpack(reference, scratch);
      if (round > 0) times.get(unpacker)?.push(ms);
    }
  }
  const ours = spreadOf(times.get(unpackers[0]) ?? []).median;
  for (const [unpacker, figures] of times) {
    const { minimum, median, maximum } = spreadOf(figures);
    const ratio =
      unpacker === unpackers[0] ? '' : `; ours takes ${(ours / median).toFixed(2)} of it (target: ${target})`;
    const [low, middle, high] = [minimum, median, maximum].map((ms) => (ms / 1000).toFixed(2));
    process.stdout.write(`${unpacker.name}: median ${middle} s (${low} to ${high})${ratio}\n`);
  }
}

async function findExecutable(given: string | undefined): Promise<string> {
  if (given === undefined) {
    await runScript('build.ts', [], process.stderr);
    return mounterExecutable;
  }
  if (existsSync(given)) return given;
  throw usageError(given, 'there is no such file', 'name a built mounter, such as dist/mounter');
}

await runMain({
  name: 'bench:image',
  flags: {
    '--rounds N': {
      text: 'how often each is timed; each round needs four times the image on the disk',
      default: '5',
    },
    '--megabytes N': { text: 'how large the larger image is, unpacked', default: '150' },
    '--directory DIR': { text: 'where to unpack', default: tmpdir() },
    '--mounter FILE': "use this executable, and don't build",
  },
  needsRoot: true,
  manual: [
    `Pulls and unpacks images from a registry on loopback, by mounter install --into and by skopeo and umoci, and compares the
    trees; then times both in turn on a larger image. Builds dist/mounter first. Needs root.`,
  ],
  run: (flags) => {
    const mounter = flags.value('mounter');
    return main({
      rounds: wholeNumber('--rounds', flags.value('rounds'), 9999),
      bytes: wholeNumber('--megabytes', flags.value('megabytes'), 9999) * 1e6,
      mounter: mounter === undefined ? undefined : resolve(mounter),
      directory: resolve(flags.value('directory')),
    });
  },
});
