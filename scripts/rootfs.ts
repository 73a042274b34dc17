import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { parseManifest } from '../src/manifest/manifest.ts';
import { type Architecture, architectureFlag, architectureOf, ownArchitecture } from './architectures.ts';
import { requireRoot, runMain, usageError } from './command-line.ts';
import { distributionOf } from './paths.ts';
import { withProgress } from './progress.ts';
import { buildRootfs, withNewPins } from './rootfs/build.ts';
import { checkPins } from './rootfs/check.ts';
import { replaceRootfs } from './rootfs/manifest-text.ts';
import { withOptional } from './rootfs/optional.ts';
import { idleIncludes } from './rootfs/packages.ts';
import { type OneManifest, type OneRootfs, ofArchitecture, oneManifest, withDigest } from './rootfs/pins.ts';
import { type BuildRecord, buildKey, readRecord, writeNodeManifest, writeResults } from './rootfs/results.ts';
import { workspace } from './rootfs/workspace.ts';
import { writeWhole } from './scratch.ts';

interface Flags {
  readonly architecture: Architecture | undefined;
  readonly check: boolean;
  readonly updatePins: boolean;
  readonly allowNewer: boolean;
  readonly manifest: string;
  readonly output: string;
  readonly cache: boolean;
}

async function main(flags: Flags): Promise<number> {
  if (flags.check) return await check(flags.manifest);
  requireRoot();
  if (flags.updatePins) await updatePins(flags.manifest);
  const text = await readFile(flags.manifest, 'utf8');
  const manifest = withOptional(await oneManifest(parseManifest(text, flags.manifest), flags.architecture));
  warnOfIdle(manifest.rootfs);
  const record = (await upToDate(manifest, flags)) ?? (await build(manifest, flags));
  if (flags.updatePins) await recordDigest(flags.manifest, manifest.rootfs.architecture, record.digest);
  else checkDigest(manifest.rootfs, record, flags);
  await writeNodeManifest(text, manifest.rootfs, record, flags.output);
  return exitCode.success;
}

/** The status of `--check`. */
async function check(path: string): Promise<number> {
  const { rootfs } = parseManifest(await readFile(path, 'utf8'), path);
  const { isSecurityMissing, text } = await checkPins(rootfs);
  process.stdout.write(text);
  return isSecurityMissing ? 1 : exitCode.success;
}

function warnOfIdle(rootfs: OneRootfs): void {
  for (const name of idleIncludes(rootfs)) {
    process.stderr.write(
      `warning: rootfs.include: ${name} adds no file; name what is wanted of it in rootfs.files, then npm run rootfs -- --update-pins\n`,
    );
  }
}

/** The last build's record, if building again would give the same. */
async function upToDate(manifest: OneManifest, flags: Flags): Promise<BuildRecord | undefined> {
  if (!flags.cache) return undefined;
  const record = await readRecord(flags.output);
  if (record === undefined || record.key !== (await buildKey(manifest))) return undefined;
  if (!flags.allowNewer && !honoursPins(manifest.rootfs, record)) return undefined;
  process.stdout.write(`rootfs ${record.digest} is up to date\n`);
  return record;
}

async function build(manifest: OneManifest, flags: Flags): Promise<BuildRecord> {
  const started = performance.now();
  const make = () => buildRootfs(manifest, flags.allowNewer);
  const built = await withProgress('making the rootfs of its packages, usually 40 s', make);
  if (!flags.updatePins) checkDigest(manifest.rootfs, built, flags);
  const record = await writeResults(built, flags.output, await buildKey(manifest));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const { unpackedBytes, entries, packages } = built.contents;
  const where = relative(process.cwd(), join(flags.output, 'rootfs.tar.zst'));
  process.stdout.write(
    `${where}: ${(unpackedBytes / 1e6).toFixed(1)} MB unpacked in ${entries} entries of ${packages.length} packages, ${seconds} s\nrootfs ${built.digest}\n`,
  );
  return record;
}

async function updatePins(path: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const { rootfs } = parseManifest(text, path);
  await writeWhole(path, replaceRootfs(text, await withNewPins(rootfs)));
}

/** Of a rootfs with something optional in it there is none in the manifest. */
async function recordDigest(path: string, architecture: Architecture, digest: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const manifest = parseManifest(text, path);
  const rootfs = ofArchitecture(manifest.rootfs, architecture);
  if (withOptional({ ...manifest, rootfs }).rootfs.include.length > rootfs.include.length) return;
  await writeWhole(path, replaceRootfs(text, withDigest(manifest.rootfs, architecture, digest)));
}

/** With every pin honoured, a digest other than the recorded one means that the build is not reproducible. */
function checkDigest(rootfs: OneRootfs, built: Pick<BuildRecord, 'digest' | 'packages'>, flags: Flags): void {
  if (rootfs.digest === undefined || rootfs.digest === built.digest || !honoursPins(rootfs, built)) return;
  throw new MounterError(`rootfs.digest: this build gave ${built.digest}, not ${rootfs.digest}`, {
    subject: flags.manifest,
    status: exitCode.system,
    hint: 'if files or helpers were changed on purpose, npm run rootfs -- --update-pins; if not, the build is at fault',
  });
}

function honoursPins(rootfs: OneRootfs, built: Pick<BuildRecord, 'packages'>): boolean {
  const pinned = new Set(rootfs.packages.map((pin) => `${pin.name} ${pin.version} ${pin.sha256}`));
  const same = built.packages.every((pin) => pinned.has(`${pin.name} ${pin.version} ${pin.sha256}`));
  return same && built.packages.length === pinned.size;
}

await runMain({
  name: 'rootfs',
  usage: [
    '[--architecture ARCH] [--update-pins] [--allow-newer] [--manifest FILE] [--output DIR] [--no-cache]',
    '--check [--manifest FILE]',
  ],
  flags: {
    '--architecture ARCH': `${architectureFlag['--architecture ARCH'].text}; this machine's if left out`,
    '--update-pins': `take the newest packages of each architecture, and write them and the new digest to
      rootfs-manifest.json`,
    '--allow-newer': 'where the archive no longer has a pinned version, take its newest instead',
    '--manifest FILE': "build from this manifest, instead of the repository's",
    '--output DIR': 'write there; else to dist, and for another architecture to dist/ARCH',
    '--no-cache': 'build even if nothing changed',
    '--check': `build nothing; say which pinned packages have a newer version, security updates first. Exits with 0 where no
      security update is missing, 1 where one is, 2 where it cannot be found out`,
  },
  manual: [
    `Builds rootfs.tar.zst, rootfs-manifest.json and rootfs-contents.json from the repository's rootfs-manifest.json. Needs
    root: files keep their owners on the way.`,
  ],
  examples: [
    'npm run rootfs',
    'npm run rootfs -- --check',
    'npm run rootfs -- --architecture arm64 --update-pins',
  ],
  run: (flags) => {
    const given = flags.value('architecture');
    const architecture = given === undefined ? undefined : architectureOf(given);
    const usual = distributionOf(architecture ?? ownArchitecture).directory;
    const goesAlone =
      given === undefined &&
      flags.value('output') === undefined &&
      !(['update-pins', 'allow-newer', 'no-cache'] as const).some((one) => flags.has(one));
    if (flags.has('check') && !goesAlone)
      throw usageError(
        '--check',
        'builds nothing, and goes with --manifest alone',
        'run one after the other',
      );
    return main({
      architecture,
      check: flags.has('check'),
      updatePins: flags.has('update-pins'),
      allowNewer: flags.has('allow-newer'),
      manifest: resolve(flags.value('manifest') ?? workspace.manifest),
      output: resolve(flags.value('output') ?? usual),
      cache: !flags.has('no-cache'),
    });
  },
});
