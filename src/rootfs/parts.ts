import { lstatSync, readdirSync } from 'node:fs';
import { resolveInRoot } from '../host/path-in-root.ts';
import { programDirectories } from '../host/programs.ts';

/** What a process of a rootfs can start or load: the files where programs and libraries lie. */

const libraryDirectories = ['/usr/lib', '/usr/lib64', '/lib', '/lib64'];
/** Of other architectures, and what only a debugger reads. */
const notLoaded = /^\/usr\/lib\/debug$|\/(lib32|libx32|i[3-6]86-linux-gnu)$/;

/** @returns the executable files in the directories of programs, each path as the rootfs names it, without symlinks. */
export function programsOf(root: string): readonly string[] {
  return directoriesIn(root, programDirectories)
    .flatMap((directory) => readdirSync(root + directory).map((name) => `${directory}/${name}`))
    .filter((path) => {
      const status = lstatSync(root + path);
      return status.isFile() && (status.mode & 0o111) !== 0;
    });
}

/** @returns shared libraries, those that a program loads by name while it runs among them; their symlinks as well. */
export function librariesOf(root: string): readonly string[] {
  return directoriesIn(root, libraryDirectories).flatMap((directory) => librariesBelow(root, directory));
}

function librariesBelow(root: string, directory: string): readonly string[] {
  return readdirSync(root + directory, { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return notLoaded.test(path) ? [] : librariesBelow(root, path);
    return /\.so(\.|$)/.test(entry.name) ? [path] : [];
  });
}

/** Where the directories are that these names lead to, each once. */
function directoriesIn(root: string, names: readonly string[]): readonly string[] {
  const found = names.flatMap((name) => resolveInRoot(root, name) ?? []);
  return [...new Set(found)].filter((path) => lstatSync(root + path).isDirectory());
}
