import { programIn } from '../programs/test-program.ts';
import { mounterHome, type ScratchNode } from './namespace.ts';

/** Where the rootfs of the installed version has the helper of a type. */
export const helperPath = (fstype: string): string => `${mounterHome}/rootfs/usr/sbin/mount.${fstype}`;

/** stand-in-helper.c in the place of mount.nfs. */
export async function placeStandIn(node: ScratchNode): Promise<void> {
  await placeHelper(node, 'nfs', await programIn(node, 'stand-in-helper'));
}

/** In the place of what the image has: a new file, since the old one may be executed at this moment. */
export async function placeHelper(node: ScratchNode, fstype: string, program: string): Promise<void> {
  const path = helperPath(fstype);
  await node.shell(`rm -f ${path}; cp ${program} ${path}; chmod 755 ${path}`);
}
