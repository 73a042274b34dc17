import { globSync } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { nearest } from '../../src/nearest.ts';
import type { Entry } from './entry.ts';

/** Linux's own limit on links in one path (path_resolution(7)). */
const mostLinks = 40;

/**
 * Chooses entries out of a tree of unpacked packages, as a process whose `/` is that tree would see it: a
 * link is taken with everything it leads to, and never followed out of the tree.
 */
export class UnpackedTree {
  readonly root: string;
  /** By path; what has been taken so far. */
  readonly taken = new Map<string, Entry>();
  readonly #excluded = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  /** Leaves out what matches `patterns` when a directory above is taken. */
  async exclude(patterns: readonly string[]): Promise<void> {
    for (const pattern of patterns) {
      for (const path of this.#expand(pattern, 'rootfs.exclude')) this.#excluded.add(path);
    }
  }

  /** Takes what matches `pattern`, with all that lies below. @throws MounterError where nothing does. */
  async take(pattern: string, field: string): Promise<void> {
    for (const path of this.#expand(pattern, field)) await this.#takePath(path);
  }

  /** The path that `path` leads to, each link on the way taken; undefined where there is nothing. */
  async resolve(path: string): Promise<string | undefined> {
    let pending = path.split('/').filter((name) => name !== '');
    let resolved = '';
    for (let links = 0; pending.length > 0; ) {
      const [name = '', ...rest] = pending;
      const next = posix.join(resolved, name);
      const target = await this.#linkTarget(next);
      if (target === undefined) return undefined;
      pending = rest;
      if (target === '') resolved = next;
      else if (++links > mostLinks) return undefined;
      else {
        const absolute = posix.resolve('/', resolved, target);
        pending = [...absolute.split('/').filter((part) => part !== ''), ...rest];
        resolved = '';
      }
    }
    return resolved;
  }

  /** Target of a link, which is taken; '' for anything else; undefined where there is nothing. */
  async #linkTarget(path: string): Promise<string | undefined> {
    const stat = await lstat(join(this.root, path)).catch(() => undefined);
    if (stat?.isSymbolicLink() !== true) return stat === undefined ? undefined : '';
    const target = await readlink(join(this.root, path));
    this.taken.set(path, { kind: 'link', path, target, uid: 0, gid: 0 });
    return target;
  }

  async #takePath(path: string): Promise<void> {
    if (this.#excluded.has(path)) return;
    const resolved = await this.resolve(path);
    // A link into a package that is not there: nothing that runs can need it.
    if (resolved === undefined) return void this.taken.delete(path);
    if (this.taken.get(resolved)?.kind === 'file') return;
    const stat = await lstat(join(this.root, resolved));
    if (stat.isDirectory()) {
      const names = await readdir(join(this.root, resolved));
      for (const name of names) await this.#takePath(`${resolved}/${name}`);
    } else if (stat.isFile()) {
      const content = await readFile(join(this.root, resolved));
      // Everything here runs as root; set-user-ID bits would only be of use to someone else on the node.
      this.taken.set(resolved, {
        kind: 'file',
        path: resolved,
        mode: stat.mode & 0o755,
        uid: 0,
        gid: 0,
        content,
      });
    }
  }

  #expand(pattern: string, field: string): readonly string[] {
    const paths = globSync(pattern, { cwd: this.root });
    if (paths.length > 0) return paths.sort();
    const meant = nearest(pattern, globSync(`${posix.dirname(pattern)}/*`, { cwd: this.root }).sort());
    throw new MounterError(`${field}: is in none of the packages`, {
      subject: pattern,
      status: exitCode.system,
      hint: `${meant === undefined ? '' : `did you mean ${meant}? Else `}add its package to rootfs.include, or mend the path, then npm run rootfs -- --update-pins`,
    });
  }
}
