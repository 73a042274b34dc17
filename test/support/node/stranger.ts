import { execa } from 'execa';
import type { ScratchNode } from './namespace.ts';

/** Whoever has no privileges on the node, and does what he can. */
export const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs'];

export interface Stranger {
  readonly pid: number;
}

/** Compiles blocking-process.c for `blockingProcess`. */
export async function compileBlockingProcess(node: ScratchNode): Promise<void> {
  const source = `${import.meta.dirname}/../programs/blocking-process.c`;
  await execa('gcc', [
    '-O2',
    '-static',
    '-pthread',
    '-o',
    `${node.sharedDirectory}/blocking-process`,
    source,
  ]);
  // As hosts have it, where udev made it. Others than root may enter the directory.
  await node.shell('mknod -m 0666 /tmp/fuse c 10 229; chmod 0755 /mnt/shared');
}

/**
 * A process that blocks whoever reads its command line or asks for its root directory's attributes.
 * @param user nobody, or root of a container.
 */
export async function blockingProcess(
  node: ScratchNode,
  name: string,
  user: 'nobody' | 'root',
): Promise<Stranger> {
  const output = `/tmp/stranger-${name}-${user}`;
  const prefix = user === 'nobody' ? `${asNobody.join(' ')} ` : '';
  const said = await node.shell(
    `${prefix}/mnt/shared/blocking-process ${name} /tmp/fuse >${output} 2>&1 </dev/null &
    for try in $(seq 100); do grep -q ready ${output} && break; sleep 0.1; done; cat ${output}`,
  );
  const pid = /^ready (\d+) \d+$/m.exec(said)?.[1];
  if (pid === undefined) throw new Error(`no blocking process: ${said}`);
  // Until it waits for the page, and holds its memory's lock.
  await node.shell(`until grep -q '^State:.D' /proc/${pid}/status; do sleep 0.05; done`);
  return { pid: Number(pid) };
}
