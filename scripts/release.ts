import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { execa } from 'execa';
import packageJson from '../package.json' with { type: 'json' };
import { exitCode } from '../src/exit-codes.ts';
import { runMain, usageError } from './command-line.ts';
import { readSigningKey, signBytes } from './image/signature.ts';
import { distDirectory, repository } from './paths.ts';
import { readChanges } from './release/changelog.ts';
import {
  commonFiles,
  documents,
  filesOf,
  packageName,
  type ReleasedFile,
  releasedArchitectures,
} from './release/contents.ts';
import { debOf } from './release/deb.ts';
import { debianPackage } from './release/debian-package.ts';
import { sumsOf, sumsText } from './release/sums.ts';

interface Flags {
  readonly output: string;
  readonly signKey: string | undefined;
  readonly allowNewer: boolean;
}

async function main(flags: Flags): Promise<number> {
  const key = flags.signKey === undefined ? undefined : readSigningKey(flags.signKey);
  const changes = await readChanges(`${repository}/docs/changelog.md`, packageJson.version);
  await refuseOther(flags.output);
  process.umask(0o022);
  const unfinished = `${flags.output}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await buildImages(unfinished, flags);
  await writeFile(join(unfinished, 'CHANGES.md'), changes.text);
  const common = await commonFiles();
  await writeFiles(unfinished, common);
  for (const architecture of releasedArchitectures) {
    const files = await filesOf(architecture);
    await writeFiles(unfinished, files);
    const bill = await billOf(unfinished, architecture);
    const deb = await debOf(debianPackage(architecture, [...files, ...common, bill], changes));
    await writeFile(join(unfinished, `${packageName}_${changes.version}_${architecture}.deb`), deb);
  }
  const sums = await sumsOf(unfinished);
  await writeFile(join(unfinished, 'SHA256SUMS'), sumsText(sums));
  if (key !== undefined) {
    const signature = signBytes(await readFile(join(unfinished, 'SHA256SUMS')), key);
    await writeFile(join(unfinished, 'SHA256SUMS.sig'), signature.toString('base64'));
  }
  await rm(flags.output, { recursive: true, force: true });
  await rename(unfinished, flags.output);
  process.stdout.write(
    `${relative(process.cwd(), flags.output)}: ${changes.version}, ${sums.length} files\n`,
  );
  return exitCode.success;
}

/** Whoever names their home directory keeps it. */
async function refuseOther(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const names = await readdir(directory);
  if (names.length > 0 && !names.includes('SHA256SUMS'))
    throw usageError(directory, 'holds something else than a release', 'name a new directory with --output');
}

/** With all that they are made of: what is in dist afterwards is of these sources. */
async function buildImages(directory: string, { signKey, allowNewer }: Flags): Promise<void> {
  const args = [
    ...releasedArchitectures.flatMap((architecture) => ['--architecture', architecture]),
    ...['--output', join(directory, 'image')],
    ...(signKey === undefined ? [] : ['--sign-key', resolve(signKey)]),
    ...(allowNewer ? ['--allow-newer'] : []),
  ];
  await execa(process.execPath, [join(repository, 'scripts/image.ts'), ...args], {
    // It names directories that are about to be renamed.
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function writeFiles(directory: string, files: readonly ReleasedFile[]): Promise<void> {
  for (const { path, content, mode } of files) {
    if (path === undefined) continue;
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
    await chmod(join(directory, path), mode);
  }
}

/** What the executable and the rootfs are made of, for the package. */
async function billOf(directory: string, architecture: string): Promise<ReleasedFile> {
  const content = await readFile(join(directory, `image-node-agent-${architecture}.spdx.json`));
  const packaged = { path: `${documents}/${packageName}.spdx.json`, isCompressed: false };
  return { content, mode: 0o644, path: undefined, packaged };
}

await runMain({
  name: 'release',
  flags: {
    '--output DIR': 'the release, replaced as a whole; else dist/release',
    '--sign-key FILE': `sign the images and SHA256SUMS with this private key (PEM): cosign verify-blob verifies the latter, by
      SHA256SUMS.sig`,
    '--allow-newer': 'as for npm run rootfs: for tests, since it is another rootfs than the pinned one',
  },
  needsRoot: true,
  manual: [
    `Makes a release of the version in package.json, of what it has in docs/changelog.md; what is missing or old is built
    first. Without a key, or with one of Ed25519, it is the same bytes wherever the same sources are released.`,
    `In it are, for amd64 and arm64, the executable, the rootfs with its manifest and list of contents, and a Debian package;
    both images as OCI layouts, each an index of both architectures, with their SBOMs and provenance; schemas and documents;
    and SHA256SUMS of all of them.`,
  ],
  run: (flags) =>
    main({
      output: resolve(flags.value('output') ?? `${distDirectory}/release`),
      signKey: flags.value('sign-key'),
      allowNewer: flags.has('allow-newer'),
    }),
});
