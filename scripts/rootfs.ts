import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import minimist from 'minimist';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { parseManifest } from '../src/manifest/manifest.ts';
import { type Architecture, architectureOf, ownArchitecture } from './architectures.ts';
import { requireRoot, runMain, usageError } from './command-line.ts';
import { distributionOf } from './paths.ts';
import { buildRootfs, withNewPins } from './rootfs/build.ts';
import { checkPins } from './rootfs/check.ts';
import { replaceRootfs } from './rootfs/manifest-text.ts';
import { withOptional } from './rootfs/optional.ts';
import { idleIncludes } from './rootfs/packages.ts';
import { type OneManifest, type OneRootfs, ofArchitecture, oneManifest, withDigest } from './rootfs/pins.ts';
import { type BuildRecord, buildKey, readRecord, writeNodeManifest, writeResults } from './rootfs/results.ts';
import { workspace } from './rootfs/workspace.ts';
import { writeWhole } from './scratch.ts';

const usage = `usage: npm run rootfs -- [--architecture ARCH] [--update-pins] [--allow-newer] [--manifest FILE] [--output DIR]
                         [--no-cache]
       npm run rootfs -- --check [--manifest FILE]

Builds rootfs.tar.zst, rootfs-manifest.json and rootfs-contents.json from the repository's
rootfs-manifest.json. Needs root: files keep their owners on the way.

  --architecture ARCH
                  amd64 or arm64 (default: this machine's)
  --update-pins   take the newest packages of each architecture, and write them and the new digest to
                  rootfs-manifest.json
  --allow-newer   where the archive no longer has a pinned version, take its newest instead
  --manifest FILE build from this manifest instead
  --output DIR    write there (default: dist, and dist/ARCH for another architecture than this machine's)
  --no-cache      build even if nothing changed
  --check         build nothing; say which pinned packages have a newer version, security updates first. Exits with 0
                  where no security update is missing, 1 where one is, 2 where it cannot be found out
`;

interface Flags {
  readonly architecture: Architecture | undefined;
  readonly check: boolean;
  readonly updatePins: boolean;
  readonly allowNewer: boolean;
  readonly manifest: string;
  readonly output: string;
  readonly cache: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv);
  if (flags === undefined) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  if (flags.check) return await check(flags.manifest);
  requireRoot('npm run rootfs');
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

function parseFlags(argv: readonly string[]): Flags | undefined {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    boolean: ['check', 'update-pins', 'allow-newer', 'cache', 'help'],
    string: ['manifest', 'output', 'architecture'],
    default: { cache: true, manifest: workspace.manifest },
    unknown: (word) => unknown.push(word) === 0,
  });
  if (flags.help === true) return undefined;
  if (unknown.length > 0) throw usageError(unknown.join(' '), 'unknown argument');
  if (flags.manifest === '') throw usageError('--manifest', 'needs a file');
  if (flags.output === '') throw usageError('--output', 'needs a directory');
  const architecture = flags.architecture === undefined ? undefined : architectureOf(flags.architecture);
  const usual = distributionOf(architecture ?? ownArchitecture).directory;
  const [manifest, output] = [resolve(String(flags.manifest)), resolve(String(flags.output ?? usual))];
  const [updatePins, allowNewer] = [flags['update-pins'] === true, flags['allow-newer'] === true];
  return {
    check: flags.check === true,
    architecture,
    updatePins,
    allowNewer,
    manifest,
    output,
    cache: flags.cache === true,
  };
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
  const built = await buildRootfs(manifest, flags.allowNewer);
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

await runMain('rootfs', main);
