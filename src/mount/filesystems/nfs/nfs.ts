import type { FilesystemDriver } from '../filesystem-driver.ts';
import { plain } from '../plain.ts';
import { applyLockPolicy, hasNegotiatedVersion3, lockServicesNeed } from './locks.ts';
import { nfsOptions } from './options.ts';
import { decodedSource, isAskedExport, isSameNfsSource, nfsPlaces, nfsServer } from './source.ts';
import { nfsTraits } from './traits.ts';

/** NFS, all versions. mount.nfs refuses to mount for anybody but root. */
export const nfs: FilesystemDriver = {
  ...plain,
  kind: 'nfs',
  traits: nfsTraits,
  options: nfsOptions,
  servers: ({ source }) => {
    const server = nfsServer(source);
    return server === undefined ? undefined : [server];
  },
  places: nfsPlaces,
  decodedSource,
  isSameSource: isSameNfsSource,
  withoutNoise: (output) => output.replace(ofOurGroup, ''),
  lockServices: lockServicesNeed,
  hasNegotiatedLocks: hasNegotiatedVersion3,
  applyLockPolicy,
  isAsked: isAskedExport,
  probe: async () => (await import('./probe.ts')).nfsProbe,
  failureTexts: async () => (await import('./failure.ts')).nfsFailureTexts,
};

/** mount.nfs would take root's group before it runs start-statd, and goes on where it may not. @see Privileges */
const ofOurGroup = /^mount\.nfs4?: setgid\(0\) failed: .*\n/gm;
