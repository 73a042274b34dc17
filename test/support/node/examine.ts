import { askedInPeace, type Examination, type Examined } from './examination.ts';
import { mounter, type ScratchNode } from './namespace.ts';

/** What doctor says of the node. @throws Error with its words where it prints nothing. */
export function examineIn(node: ScratchNode, ...flags: readonly string[]): Promise<Examined> {
  return askedInPeace(async () => {
    const began = performance.now();
    const { status, stdout, stderr } = await node.run([mounter, 'doctor', '--json', ...flags]);
    const milliseconds = Math.round(performance.now() - began);
    if (stdout === '') throw new Error(stderr);
    return { status, milliseconds, ...(JSON.parse(stdout) as Examination) };
  });
}
