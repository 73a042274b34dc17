import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { parseMountinfo } from '../src/host/mountinfo.ts';
import { runMain } from './command-line.ts';
import { recordOfInstalled, stillInstalled } from './debian.ts';
import { cacheDirectory, distDirectory, repository } from './paths.ts';

/** `npm run clean`: takes back what `npm ci`, the builds, the demo and the tests have made, and says what stays. */

const made = [distDirectory, cacheDirectory, `${repository}/node_modules`];
const ofBun = globSync(`${repository}/.*.bun-build`);

async function main(): Promise<number> {
  refuseMounted();
  refuseUsed();
  const packages = await stillInstalled();
  const there = [...made, ...ofBun].filter((path) => existsSync(path));
  for (const path of there.flatMap(packages.length === 0 ? (one) => [one] : withoutRecord))
    await rm(path, { recursive: true, force: true });
  const names = there.map((path) => relative(repository, path));
  console.log(names.length === 0 ? 'nothing to remove' : `removed ${names.join(', ')}`);
  if (packages.length > 0)
    console.log(
      `Debian packages that were installed for it stay, in case something else needs them by now; as root:\n  apt-get purge --auto-remove ${packages.join(' ')}\n${relative(repository, recordOfInstalled)} stays until then, and has their names.`,
    );
  console.log("npm's and apt's own caches stay: npm cache clean --force, apt-get clean");
  return exitCode.success;
}

/** What is in the cache, but for the record of packages. */
function withoutRecord(path: string): readonly string[] {
  if (path !== cacheDirectory) return [path];
  const names = readdirSync(cacheDirectory).filter((name) => name !== basename(recordOfInstalled));
  return names.map((name) => `${cacheDirectory}/${name}`);
}

function isMade(path: string): boolean {
  return made.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** @throws MounterError where removing would go on in what is mounted there. */
function refuseMounted(): void {
  const mount = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).find(({ mountPoint }) =>
    isMade(mountPoint),
  );
  if (mount !== undefined)
    throw inUse(mount.mountPoint, 'something is mounted there', `umount ${mount.mountPoint}`);
}

/** @throws MounterError where a test, a build or a demo runs. */
function refuseUsed(): void {
  for (const pid of readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && Number(name) !== process.pid,
  )) {
    const used = ['exe', 'cwd', 'root'].map((link) => linkOf(`/proc/${pid}/${link}`)).find(isMade);
    if (used !== undefined) throw inUse(used, `process ${pid} uses it`, `end it: kill ${pid}`);
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // It has ended, or is another user's.
  }
}

function inUse(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.system, hint: `${hint}; then again` });
}

await runMain({
  name: 'clean',
  flags: {},
  manual: [
    `Removes what npm ci, the builds, the demo and the tests have made in this directory: dist, .cache and node_modules. Says
    which Debian packages the scripts have installed, and how to take these back.`,
  ],
  run: main,
});
