import type { MountEntry } from '../../../host/mountinfo.ts';
import { parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import type {
  Asked,
  FilesystemDriver,
  FilesystemTraits,
  MountService,
  SecurityPurpose,
} from '../filesystem-driver.ts';
import { bracketed, plain, plainTraits } from '../plain.ts';
import { applyLockPolicy, hasNegotiatedVersion3, lockServicesNeed } from './locks.ts';
import { nfsOptions, requestedTransport } from './options.ts';
import { mayNegotiateKerberos, securityNeeds } from './security.ts';
import {
  decodedSource,
  isAskedExport,
  isSameNfsSource,
  likenessOfExport,
  nfsKernelTypes,
  nfsPlaces,
  nfsServer,
  refuseBareIpv6,
} from './source.ts';

const nfsTraits: FilesystemTraits = {
  ...plainTraits,
  kernelTypes: nfsKernelTypes,
  // Our start-statd calls them.
  calledPrograms: ['sh', 'rpcinfo', 'timeout', 'flock', 'date', 'sleep', 'mkdir', 'chown'],
  // Without them a v3 mount says "Protocol not supported", or resolves no name.
  lookedUpFiles: ['/etc/netconfig', '/etc/protocols', '/etc/services', '/etc/rpc', '/etc/nsswitch.conf'],
  // rpc.idmapd, which translates names of users; and Kerberos, before it asks for a ticket.
  mayLoad: /\/(libnfsidmap|krb5\/plugins\/preauth)\/[^/]+\.so$/,
  saysVersion: true,
  writesTo: [{ path: '/var/lib/nfs', user: "rpc.statd's state", full: 'failing' }],
  volume: {
    attribute: 'share',
    isAbsolute: true,
    // A filesystem of its own: by device and root directory kubelet takes the volumes of one export for one, and has none
    // of them unstaged while there is another (GetDeviceMountRefs).
    asked: (server, path) => ({ source: `${bracketed(server)}:${path}`, options: ['nosharecache'] }),
  },
  hasLockServices: true,
  isToldApartByName: true,
  needsLockServices,
  securityOf: ({ fstype, superOptions }) => securityNeeds({ fstype, options: superOptions.join() }),
};

/** A v3 mount whose locks go over the network. The kernel lists v4 as another type. */
function needsLockServices({ fstype, superOptions }: MountEntry): boolean {
  if (fstype !== 'nfs' || !superOptions.includes('vers=3')) return false;
  return !superOptions.includes('nolock') && !superOptions.includes('local_lock=all');
}

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
  likeness: likenessOfExport,
  lackOf: async (asked, entry) => (await import('./lack.ts')).lackOfSecurity(asked, entry),
  helperArgv: (helper, request) => {
    refuseBareIpv6(request.source);
    return plain.helperArgv(helper, request);
  },
  withoutNoise: (output) => output.replace(ofOurGroup, ''),
  lockServices: lockServicesNeed,
  securityNeeds,
  mayNegotiateKerberos,
  hasNegotiatedLocks: hasNegotiatedVersion3,
  provideSecurity,
  applyLockPolicy,
  isAsked: isAskedExport,
  familyOption: ({ options }, family) =>
    requestedTransport(parseOptions(options)) === undefined
      ? `proto=${family === 6 ? 'tcp6' : 'tcp'}`
      : undefined,
  probe: async () => (await import('./probe.ts')).nfsProbe,
  failureTexts: async () => (await import('./failure.ts')).nfsFailureTexts,
};

async function provideSecurity(
  purpose: SecurityPurpose,
  asked: Asked,
  context: MountContext,
): Promise<MountService | undefined> {
  if (purpose === 'tls') return (await import('./tls.ts')).tlsService(asked, context);
  const { provideSecurityServices } = await import('../../../services/provide-security.ts');
  await provideSecurityServices(purpose, asked.target, context);
  return purpose === 'kerberos' ? (await import('./kerberos.ts')).kerberosService(asked, context) : undefined;
}

/** mount.nfs would take root's group before it runs start-statd, and goes on where it may not. @see Privileges */
const ofOurGroup = /^mount\.nfs4?: setgid\(0\) failed: .*\n/gm;
