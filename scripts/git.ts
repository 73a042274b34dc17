import { execa } from 'execa';
import { repository } from './paths.ts';

/** What git knows of the sources. It takes another user's checkout for one only where it is told to. */
function git(directory: string, ...args: readonly string[]) {
  return execa('git', ['-c', `safe.directory=${directory}`, ...args], { cwd: directory, reject: false });
}

/**
 * What is in git, by paths from there; undefined without git, and outside of its work tree: also where that is another's,
 * which ignores what lies here.
 */
export async function trackedFiles(directory = repository): Promise<ReadonlySet<string> | undefined> {
  const { failed, stdout } = await git(directory, 'ls-files', '-z');
  const tracked = new Set(stdout.split('\0'));
  return failed || !tracked.has('package.json') ? undefined : tracked;
}

/** The sources: a commit's, or why none is named. */
export type Sources = { readonly commit: string } | { readonly lacking: string };

/** The commit, where nothing differs from it. */
export async function sourcesOf(directory = repository): Promise<Sources> {
  const [tracked, changes, head] = await Promise.all([
    trackedFiles(directory),
    git(directory, 'status', '--porcelain', '--', '.'),
    git(directory, 'rev-parse', 'HEAD'),
  ]);
  if (tracked === undefined || changes.failed || head.failed) return { lacking: 'git knows no commit here' };
  const [first, ...others] = changes.stdout.split('\n');
  if (!first) return { commit: head.stdout };
  const more = others.length === 0 ? 'differs' : `and ${others.length} more differ`;
  return { lacking: `${first.slice('XY '.length)} ${more} from the last commit` };
}
