import { readFile, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { mountArguments } from './commands.ts';
import { type BenchNode, inNode } from './node.ts';
import { benchDirectory } from './programs.ts';

/**
 * How many instructions the front takes for one mount, which no load of the machine changes.
 * @param front built for counting.
 * @throws Error with valgrind's words.
 */
export async function instructionsOf(front: string, node: BenchNode): Promise<number> {
  const counts = `${benchDirectory}/callgrind`;
  const options = ['--tool=callgrind', `--callgrind-out-file=${counts}`];
  const [program, ...args] = inNode(node, ['valgrind', ...options, front, ...mountArguments(node.target)]);
  const { stderr } = await execa(program, args, {
    env: { PATH: process.env.PATH, LC_ALL: 'C', MOUNTER_HOME: node.home },
    extendEnv: false,
    reject: false,
  });
  const [umount, ...target] = inNode(node, ['umount', node.target]);
  await execa(umount, target, { reject: false });
  const found = /^totals: (\d+)$/m.exec(await readFile(counts, 'utf8').catch(() => ''));
  await rm(counts, { force: true });
  if (found === null) throw new Error(`valgrind counted nothing: ${stderr}`);
  return Number(found[1]);
}
