import type { MountEntry } from '../../../host/mountinfo.ts';
import type { FilesystemTraits } from '../filesystem-driver.ts';
import { plainTraits } from '../plain.ts';

export const nfsTraits: FilesystemTraits = {
  ...plainTraits,
  kernelTypes: ['nfs', 'nfs4'],
  // Those of our start-statd.
  calledPrograms: ['sh', 'rpcinfo', 'timeout', 'flock', 'date', 'sleep', 'mkdir', 'chown'],
  // Without them a v3 mount says "Protocol not supported", or resolves no name.
  lookedUpFiles: ['/etc/netconfig', '/etc/protocols', '/etc/services', '/etc/rpc', '/etc/nsswitch.conf'],
  saysVersion: true,
  writesTo: [{ path: '/var/lib/nfs', user: "rpc.statd's state", full: 'failing' }],
  hasLockServices: true,
  isToldApartByName: true,
  needsLockServices,
};

/** A v3 mount whose locks go over the network. The kernel lists v4 as another type. */
function needsLockServices({ fstype, superOptions }: MountEntry): boolean {
  if (fstype !== 'nfs' || !superOptions.includes('vers=3')) return false;
  return !superOptions.includes('nolock') && !superOptions.includes('local_lock=all');
}
