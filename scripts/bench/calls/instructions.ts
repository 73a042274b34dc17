import { readFile, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { mountArguments } from './commands.ts';
import { type BenchNode, inNode } from './node.ts';
import { benchDirectory } from './programs.ts';

/**
 * How many instructions the front takes for one mount, which no load of the machine changes. With chroot it is the
 * whole call; with attach as far as the first clone(2), for which the mount is all planned and looked at: valgrind
 * does not follow that one.
 * @param front with the names of its functions.
 * @throws Error with valgrind's words.
 */
export async function instructionsOf(
  front: string,
  setup: 'chroot' | 'attach',
  node: BenchNode,
): Promise<number> {
  const counts = `${benchDirectory}/callgrind`;
  const files = { attach: `${counts}.1`, chroot: counts } as const;
  const options = ['--tool=callgrind', `--callgrind-out-file=${counts}`, '--dump-before=clone'];
  const [program, ...args] = inNode(node, ['valgrind', ...options, front, ...mountArguments(node.target)]);
  const { stderr } = await execa(program, args, {
    env: { PATH: process.env.PATH, LC_ALL: 'C', MOUNTER_HOME: node.home },
    extendEnv: false,
    reject: false,
  });
  if (setup === 'chroot') {
    const [umount, ...target] = inNode(node, ['umount', node.target]);
    await execa(umount, target);
  }
  const found = /^totals: (\d+)$/m.exec(await readFile(files[setup], 'utf8').catch(() => ''));
  await Promise.all(Object.values(files).map((file) => rm(file, { force: true })));
  if (found === null) throw new Error(`valgrind counted nothing: ${stderr}`);
  return Number(found[1]);
}
