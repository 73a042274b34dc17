import type { ErrorClass } from '../../errors.ts';
import { raiseLimit } from '../../host/system-error.ts';
import { parseIpAddress } from '../../ip-address.ts';
import { installAgain } from '../../rootfs/entrance.ts';
import { lockServicesHint } from '../../services/provide.ts';
import { shellWord } from '../../shell-word.ts';
import type { ProbeFailure } from '../probe/probe-failure.ts';
import type { Hint, HintFacts } from './filesystem-driver.ts';

/** What an operator can do about too many mounts. */
export const raiseMountMax = `${raiseLimit('fs.mount-max')}; mounter status shows volumes that nobody may need`;

/** The next action for each class of failure, where the driver has none of its own. */
const hints: Readonly<Record<ErrorClass, Hint>> = {
  'name-resolution': ({ server, rootfs }) =>
    `run mounter doctor, which asks each name server of ${rootfs}/etc/resolv.conf; ${inRootfs('getent ahosts', server)} prints nothing until the name resolves`,
  'no-route': ({ server, probeFailure }) => noRouteHint(server, probeFailure),
  'connection-refused': ({ server }) => `start the service of this filesystem on ${word(server)}`,
  'server-silent': ({ server, probeFailure }) =>
    `see whether ${word(server)} is up, and whether a firewall or network policy drops TCP port ${portOf(probeFailure) ?? 'of its service'} from this node`,
  'access-denied': ({ server }) => `allow this node's address on ${word(server)}`,
  'server-certificate': ({ server }) => `see what certificate ${word(server)} has`,
  'client-certificate': () => 'run mounter doctor, which looks at the files of security.tls',
  'tls-not-offered': ({ server }) => `see whether ${word(server)} has TLS`,
  'no-such-export': ({ server }) => `see what ${word(server)} offers, and compare the name`,
  'version-not-offered': ({ server }) =>
    `see which versions ${word(server)} offers, and ask for one of them with -o vers=`,
  'lock-service': () => lockServicesHint,
  kerberos: () => 'run mounter doctor, which looks at rpc.gssd, the keytab and the kernel',
  tls: () => 'run mounter doctor, which looks at tlshd, its certificates and the kernel',
  'bad-option': () => takeItOut,
  policy: () => undefined,
  'mount-point': ({ target }) => `run mkdir -p ${word(target)}, and mount again`,
  stale: ({ target }) => `run umount -l ${word(target)}, and mount again`,
  busy: ({ target }) =>
    `run findmnt ${word(target)} to see what is there, and umount ${word(target)}; or choose another target`,
  'helper-missing': () =>
    `the helper, its interpreter or a library is missing in the rootfs: ${installAgain}`,
  propagation: () => 'run mounter prepare',
  deadline: ({ server, mountSeconds }) =>
    `see how the server ${word(server)} fares: nothing refused the mount, but it did not end; where it is only slow, raise limits.mountSeconds in node-settings.json, which is ${mountSeconds} now`,
  'mount-max': () => raiseMountMax,
  node: () => 'run mounter doctor to see what the node lacks',
  usage: () => 'write SERVER:/PATH',
  interrupted: () => undefined,
  internal: () => undefined,
  unknown: ({ server, logFile }) =>
    logFile === undefined
      ? `see dmesg of this node, and the log of the server ${word(server)}`
      : `the reason is in ${word(logFile)}, or in dmesg of this node`,
};

/** @param own those of the driver. */
export function hintFor(
  errorClass: ErrorClass,
  own: Readonly<Partial<Record<ErrorClass, Hint>>>,
  facts: HintFacts,
): string | undefined {
  return own[errorClass]?.(facts) ?? hints[errorClass](facts);
}

export const takeItOut =
  'take it out of mountOptions: dmesg | tail names one that the kernel does not know, or cannot read';

/** ip(8) takes addresses alone. */
function wayTo(server: string | undefined, probeFailure: ProbeFailure | undefined): string {
  const address =
    addressOf(probeFailure) ?? (server !== undefined && parseIpAddress(server) ? server : undefined);
  const ask =
    address === undefined
      ? `run ${inRootfs('getent ahosts', server)}, and ip route get with each address that it prints`
      : `run ip route get ${word(address)} on this node`;
  return `${ask}: where it prints an error, mend this node's routes (ip route add, or ip route delete)`;
}

export function inRootfs(command: string, server: string | undefined): string {
  return `mounter exec -- ${command} ${word(server)}`;
}

/** It will be pasted into a shell, and whoever wrote the source chose it. */
export function word(text: string | undefined): string {
  if (text === undefined) return 'SERVER';
  return shellWord(text);
}

function noRouteHint(server: string | undefined, probeFailure: ProbeFailure | undefined): string {
  const refusal = probeFailure?.kind === 'unreachable' ? probeFailure.connection : undefined;
  if (refusal === 'noFamily')
    return 'name the server by an IPv4 address; or turn IPv6 on, sysctl -w net.ipv6.conf.all.disable_ipv6=0, and give this node an address that ip -6 address shows as global';
  return refusal === 'forbidden'
    ? `${wayTo(server, probeFailure)}; where there is one, iptables -S OUTPUT or nft list ruleset has the rule`
    : `${wayTo(server, probeFailure)}; where there is one, see whether the server is up`;
}

function addressOf(probeFailure: ProbeFailure | undefined): string | undefined {
  return probeFailure?.kind === 'unreachable' ? probeFailure.address : undefined;
}

export function portOf(probeFailure: ProbeFailure | undefined): number | undefined {
  return probeFailure?.kind === 'unreachable' ? probeFailure.port : undefined;
}
