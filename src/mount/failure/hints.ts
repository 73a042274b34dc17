import type { ErrorClass } from '../../errors.ts';
import { lockServicesHint } from '../../lock-services/lock-services.ts';
import { shellQuoted } from '../../shell-word.ts';
import type { ProbeFailure } from '../probe/probe-failure.ts';
import { raiseMountMax } from './mount-limits.ts';

/** What the next action may have to name. */
export interface HintFacts {
  readonly kind: 'nfs' | 'glusterfs' | 'generic';
  readonly source: string;
  readonly target: string;
  /** Undefined where the source names none. */
  readonly server: string | undefined;
  readonly rootfs: string;
  readonly mountSeconds: number;
  /** Where a glusterfs daemon of this mount says why, on the host. */
  readonly logFile: string | undefined;
  readonly probeFailure: ProbeFailure | undefined;
  /** A security flavour of Kerberos was asked for. */
  readonly hasKerberos: boolean;
}

type Hint = (facts: HintFacts) => string | undefined;

/** The next action for each class of failure, one sentence; undefined where the message says it already. */
const hints: Readonly<Record<ErrorClass, Hint>> = {
  'name-resolution': ({ server, rootfs }) =>
    `run mounter doctor, which asks each name server of ${rootfs}/etc/resolv.conf; ${inRootfs('getent ahosts', server)} prints nothing until the name resolves`,
  'no-route': ({ server, probeFailure }) =>
    `run ip route get ${word(addressOf(probeFailure) ?? server)} on this node, and see whether the server is up`,
  'connection-refused': ({ kind, server, probeFailure }) =>
    kind === 'glusterfs'
      ? `start glusterd on ${word(server)}, or name the port it listens on with -o server-port=PORT`
      : `start the NFS server on ${word(server)}, or name its port with -o port=PORT; ${
          portOf(probeFailure) === 111
            ? 'vers=4 needs no rpcbind there'
            : `${inRootfs('rpcinfo -p', server)} lists what runs`
        }`,
  'server-silent': ({ server, probeFailure }) =>
    `see whether ${word(server)} is up, and whether a firewall or network policy drops TCP port ${portOf(probeFailure) ?? 'of its service'} from this node`,
  'access-denied': ({ kind, server }) =>
    kind === 'glusterfs'
      ? `allow this node's address: gluster volume set VOLUME auth.allow, on ${word(server)}`
      : `run ${inRootfs('showmount -e', server)} and export the directory to this node's address; the option insecure where the way is through NAT`,
  'no-such-export': ({ kind, server }) =>
    kind === 'glusterfs'
      ? `run gluster volume info on ${word(server)} and compare the name; a directory of the volume has to exist`
      : `run ${inRootfs('showmount -e', server)} and compare the path; it may also be exported to others only`,
  'version-not-offered': ({ server }) =>
    `run ${inRootfs('rpcinfo -p', server)} to see the versions and transports that the server offers, and ask for one of them with -o vers= or proto=`,
  'lock-service': () => lockServicesHint,
  'bad-option': ({ kind, hasKerberos }) =>
    hasKerberos
      ? 'sec=krb5 takes rpc.gssd, rpcsec_gss_krb5 in the kernel and a keytab, which this rootfs does not bring: use sec=sys, or a rootfs that has them'
      : kind === 'glusterfs'
        ? 'take the option out of mountOptions; mount.glusterfs(8) lists those that there are'
        : 'take it out of mountOptions; dmesg names an option that the kernel did not take, nfs(5) lists those that there are',
  policy: () => undefined,
  'mount-point': ({ target }) => `make ${word(target)} a directory, and mount again`,
  stale: ({ server }) =>
    `run exportfs -r on ${word(server)}: the exported directory was replaced; then umount -l what is stale here and mount again`,
  busy: ({ kind, target }) =>
    kind === 'nfs'
      ? `run findmnt ${word(target)}; if nothing is there, this filesystem of the server is mounted elsewhere with another context= (see dmesg): give both the same, or this one nosharecache`
      : `run findmnt ${word(target)} to see what is there, umount it, or choose another target`,
  'helper-missing': () =>
    'the helper, its interpreter or a library is missing in the rootfs: run mounter install again',
  propagation: () => 'run mounter prepare',
  deadline: ({ server, mountSeconds }) =>
    `see how the server ${word(server)} fares: nothing refused the mount, but it did not end; limits.mountSeconds of the manifest is ${mountSeconds}`,
  'mount-max': () => raiseMountMax,
  node: () => 'run mounter doctor to see what the node lacks',
  usage: ({ kind }) => (kind === 'glusterfs' ? 'write SERVER:VOLUME' : 'write SERVER:/PATH'),
  interrupted: () => undefined,
  internal: () => undefined,
  unknown: ({ server, logFile }) =>
    logFile === undefined
      ? `see dmesg of this node, and the log of the server ${word(server)}`
      : `the reason is in ${word(logFile)}, or in dmesg of this node`,
};

export function hintFor(errorClass: ErrorClass, facts: HintFacts): string | undefined {
  return hints[errorClass](facts);
}

function inRootfs(command: string, server: string | undefined): string {
  return `mounter exec -- ${command} ${word(server)}`;
}

/** It will be pasted into a shell, and whoever wrote the source chose it. */
function word(text: string | undefined): string {
  if (text === undefined) return 'SERVER';
  return /^[\w.:/%~+@-]+$/.test(text) ? text : shellQuoted(text);
}

function addressOf(probeFailure: ProbeFailure | undefined): string | undefined {
  return probeFailure?.kind === 'unreachable' ? probeFailure.address : undefined;
}

function portOf(probeFailure: ProbeFailure | undefined): number | undefined {
  return probeFailure?.kind === 'unreachable' ? probeFailure.port : undefined;
}
