import { hostname } from 'node:os';
import { offeredTraits } from '../mount/filesystems/all.ts';
import type { DoctorContext } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';

/**
 * An NFSv4 server tells its clients apart by an id that Linux makes from the host name, and from
 * nfs4_unique_id where that is set. Two nodes with one id take each other's locks and opens away.
 * @see nfs(5), "Documentation/filesystems/nfs/client-identifier.rst" of the kernel
 */
export function checkNfsClient({ host, manifest }: DoctorContext): readonly Advice[] {
  if (!offeredTraits(manifest).some(({ isToldApartByName }) => isToldApartByName)) return [];
  const unique = host.readText('/sys/module/nfs/parameters/nfs4_unique_id');
  const identifier = host.readText('/sys/fs/nfs/net/nfs_client/identifier');
  return [judgeClientId(hostname(), [unique, identifier])];
}

/** Names that an image has before anybody names the machine. */
const genericNames = /^(localhost.*|\(none\)|none|linux|debian|ubuntu|)$/i;

/** @param ids as the kernel has them, `(null)` and empty when unset. */
export function judgeClientId(name: string, ids: readonly (string | undefined)[]): Advice {
  const id = ids.map((text) => text?.trim()).find((text) => text && text !== '(null)');
  if (id !== undefined) return ok(name, `has the NFSv4 client id ${id} beside its host name`);
  if (!genericNames.test(name)) return ok(name, 'is the NFSv4 client id of this node');
  return warning(
    name || 'host name',
    'is not a name of this node alone: an NFSv4 server takes all nodes of one name for one client',
    'give each node a host name of its own, or set nfs.nfs4_unique_id (options nfs nfs4_unique_id=… in modprobe.d)',
  );
}
