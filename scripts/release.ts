import type { KeyObject } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { execa } from 'execa';
import packageJson from '../package.json' with { type: 'json' };
import { exitCode } from '../src/exit-codes.ts';
import { runMain } from './command-line.ts';
import { sourcesOf } from './git.ts';
import { signBytes } from './image/signature.ts';
import { readSigningKey } from './image/signing-key.ts';
import { distDirectory, repository } from './paths.ts';
import { withProgress } from './progress.ts';
import { type Changes, readChanges } from './release/changelog.ts';
import {
  commonFiles,
  documents,
  filesOf,
  packageName,
  type ReleasedFile,
  releasedArchitectures,
} from './release/contents.ts';
import { debOf } from './release/deb.ts';
import { debianPackage, maintainerOf } from './release/debian-package.ts';
import { sumsOf, sumsText } from './release/sums.ts';
import { replaceDirectory } from './scratch.ts';

interface Flags {
  readonly output: string;
  readonly signKey: string | undefined;
  readonly maintainer: string;
  readonly allowNewer: boolean;
}

async function main(flags: Flags): Promise<number> {
  const key = flags.signKey === undefined ? undefined : await readSigningKey(flags.signKey);
  const changes = await readChanges(`${repository}/docs/changelog.md`, packageJson.version);
  await warnOfSources();
  process.umask(0o022);
  const replaced = { directory: flags.output, mark: 'image-node-agent.json', what: 'a release' };
  await replaceDirectory(replaced, (unfinished) => fill(unfinished, changes, key, flags));
  process.stdout.write(`${relative(process.cwd(), flags.output)}: ${changes.version}\n`);
  return exitCode.success;
}

/** First, so that nobody waits for a release that is to be made again. */
async function warnOfSources(): Promise<void> {
  const sources = await sourcesOf();
  if ('lacking' in sources)
    process.stderr.write(
      `warning: its provenance names no commit: ${sources.lacking}; release a clean checkout to have it named\n`,
    );
}

async function fill(
  directory: string,
  changes: Changes,
  key: KeyObject | undefined,
  { maintainer, allowNewer }: Flags,
): Promise<void> {
  await buildImages(directory, key, allowNewer);
  await writeFile(join(directory, 'CHANGES.md'), changes.text);
  const common = await commonFiles();
  await writeFiles(directory, common);
  for (const architecture of releasedArchitectures) {
    const files = await filesOf(architecture);
    await writeFiles(directory, files);
    const bill = await billOf(directory, architecture);
    const described = debianPackage(architecture, [...files, ...common, bill], changes, maintainer);
    const name = `${packageName}_${changes.version}_${architecture}.deb`;
    const make = () => debOf(described);
    await writeFile(join(directory, name), await withProgress(`making ${name}, usually 40 s`, make));
  }
  const sums = Buffer.from(sumsText(await sumsOf(directory)));
  await writeFile(join(directory, 'SHA256SUMS'), sums);
  if (key !== undefined)
    await writeFile(join(directory, 'SHA256SUMS.sig'), signBytes(sums, key).toString('base64'));
}

/**
 * With all that they are made of: what is in dist afterwards is of these sources. The key goes by a pipe: its file may be
 * one itself, or be gone by now.
 */
async function buildImages(
  directory: string,
  key: KeyObject | undefined,
  allowNewer: boolean,
): Promise<void> {
  const args = [
    ...releasedArchitectures.flatMap((architecture) => ['--architecture', architecture]),
    ...['--output', join(directory, 'image')],
    ...(key === undefined ? [] : ['--sign-key=-']),
    ...(allowNewer ? ['--allow-newer'] : []),
  ];
  await execa(process.execPath, [join(repository, 'scripts/image.ts'), ...args], {
    input: key?.export({ type: 'pkcs8', format: 'pem' }) ?? '',
    // It names directories that are about to be renamed.
    stdout: 'ignore',
    stderr: 'inherit',
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
    '--sign-key FILE': `sign the images and SHA256SUMS with this private key, as for npm run image: cosign verify-blob verifies
      the latter, by SHA256SUMS.sig`,
    '--maintainer NAME':
      'who answers for the Debian packages, "NAME <ADDRESS>"; else an address that reaches nobody',
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
  examples: ['npm run release -- --sign-key release.key'],
  run: (flags) =>
    main({
      output: resolve(flags.value('output') ?? `${distDirectory}/release`),
      signKey: flags.value('sign-key'),
      maintainer: maintainerOf(flags.value('maintainer')),
      allowNewer: flags.has('allow-newer'),
    }),
});
