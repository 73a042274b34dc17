import type { Host, ProcessInformation } from '../host/host.ts';

/** What only GlusterFS knows: how a volume is written, and the daemon behind a mount. */

/** The filesystem type under which the kernel lists a GlusterFS mount. */
export const glusterfsKernelTypes: readonly string[] = ['fuse.glusterfs'];

/** `server:volume[/directory]` in one form: mount.glusterfs takes `server:/volume` for the same. */
export function canonicalGlusterfsSource(source: string): string {
  const colon = source.lastIndexOf(':');
  if (colon <= 0) return source;
  const volume = source
    .slice(colon + 1)
    .split('/')
    .filter((part) => part !== '');
  return `${source.slice(0, colon)}:${volume.join('/')}`;
}

/**
 * The glusterfs client daemons that serve `target`. mount.glusterfs starts one as
 * `glusterfs --process-name fuse --volfile-server=SERVER --volfile-id=VOLUME TARGET`.
 */
export function glusterfsDaemonsOf(host: Host, target: string): readonly ProcessInformation[] {
  return host
    .processes()
    .filter(({ commandLine }) => isGlusterfsClient(commandLine[0]) && commandLine.at(-1) === target);
}

function isGlusterfsClient(program: string | undefined): boolean {
  return program !== undefined && /(^|\/)glusterfs(d)?$/.test(program);
}
