import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, readFile, rename } from 'node:fs/promises';
import { execa } from 'execa';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { cacheDirectory, repository } from './paths.ts';
import { withProgress } from './progress.ts';
import { withScratch } from './scratch.ts';

/**
 * bun of this machine, in the repository: it compiles. What its caller's environment asks of it changes nothing, and it
 * leaves nothing in HOME.
 */
export async function runBun(args: readonly string[]): Promise<void> {
  await execa(`${repository}/node_modules/.bin/bun`, args, {
    cwd: repository,
    env: { PATH: process.env.PATH, BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0' },
    extendEnv: false,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/**
 * bun for another architecture, which npm does not install here: the runtime that goes into an executable for that one.
 * From npm's own registry, in the version and with the integrity of package-lock.json; nothing of it runs.
 * @param name of a package, such as `@oven/bun-linux-aarch64`.
 * @param locked what package-lock.json has of it.
 * @returns the path of its executable.
 * @throws MounterError (system) for a package that is another one.
 */
export async function fetchBun(name: string, locked = lockedPackage(name)): Promise<string> {
  const { version, integrity } = locked;
  const executable = `${cacheDirectory}/bun/${name.slice(name.indexOf('/') + 1)}-${version}`;
  if (existsSync(executable)) return executable;
  await withScratch(`${cacheDirectory}/bun`, async (scratch) => {
    const argv = ['pack', `${name}@${version}`, '--pack-destination', scratch, '--json', '--ignore-scripts'];
    const { stdout } = await withProgress(`fetching ${name}, usually 20 s`, () =>
      execa('npm', argv, { cwd: scratch }),
    );
    const [{ filename }] = JSON.parse(stdout) as readonly [{ readonly filename: string }];
    const archive = `${scratch}/${filename}`;
    const found = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (`sha512-${found}` !== integrity) throw otherPackage(`${name}@${version}`, `sha512-${found}`);
    await execa('tar', ['-xzf', archive, '-C', scratch, '--no-same-owner', 'package/bin/bun']);
    await chmod(`${scratch}/package/bin/bun`, 0o755);
    await rename(`${scratch}/package/bin/bun`, executable);
  });
  return executable;
}

interface Locked {
  readonly version: string;
  /** `sha512-` and base64. */
  readonly integrity: string;
}

function lockedPackage(name: string): Locked {
  return JSON.parse(readFileSync(`${repository}/package-lock.json`, 'utf8')).packages[`node_modules/${name}`];
}

function otherPackage(subject: string, found: string): MounterError {
  return new MounterError(`is not the package of package-lock.json: its integrity is ${found}`, {
    subject,
    status: exitCode.system,
    hint: 'see which registry npm is configured with',
  });
}
