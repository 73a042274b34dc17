import type { MountEntry } from '../../../host/mountinfo.ts';
import { lastOption, type MountOption, parseOptions } from '../../arguments/options.ts';
import type { Granted, GrantReader, Shortfall } from '../filesystem-driver.ts';
import { valueIn, valuesOf, wholeOptions } from '../option-readings.ts';
import { flavours, transportPolicies } from './lack.ts';
import { localLockOption, nfsOptions, requestedTransport, requestedVersion } from './options.ts';

/**
 * What the kernel lists of an NFS mount, behind its type and source:
 *
 * ```
 * rw,vers=4.2,rsize=1048576,wsize=1048576,…,proto=tcp,nconnect=4,…,sec=sys,xprtsec=tls,…,local_lock=none,addr=10.9.0.1
 * ```
 * `nconnect` and `xprtsec` are left out where they are 1 and none.
 * @see nfs_show_mount_options() in fs/nfs/super.c
 */
export const nfsGrants: GrantReader = {
  granted: ({ superOptions }: MountEntry): Granted => {
    const value = (name: string) => valueIn(superOptions, name)[0];
    return {
      version: value('vers') ?? '',
      security: value('sec') ?? '',
      transport: value('proto') ?? '',
      tls: (['tls', 'mtls'] as const).find((policy) => policy === value('xprtsec')) ?? 'none',
      readBytes: Number(value('rsize') ?? 0),
      writeBytes: Number(value('wsize') ?? 0),
      connections: Number(value('nconnect') ?? 1),
      locks: superOptions.includes('nolock') ? 'node' : locksOf(value('local_lock')),
    };
  },
  shortfalls: ({ fstype, options }, granted) => {
    const parsed = parseOptions(options);
    return [
      ...versionShortfall(requestedVersion(fstype, options), granted),
      ...securityShortfall(options, granted),
      ...transportShortfall(requestedTransport(parsed), granted),
      ...tlsShortfall(parsed, granted),
      ...sizeShortfall('rsize', parsed, granted.readBytes),
      ...sizeShortfall('wsize', parsed, granted.writeBytes),
      ...connectionsShortfall(parsed, granted),
      ...locksShortfall(options, granted),
    ];
  },
};

function locksOf(localLock: string | undefined): Granted['locks'] {
  if (localLock === 'all') return 'node';
  return (['flock', 'posix'] as const).find((locks) => locks === localLock) ?? 'server';
}

function versionShortfall(asked: string | undefined, { version }: Granted): readonly Shortfall[] {
  if (asked === undefined || version === asked || version.startsWith(`${asked}.`)) return [];
  return [{ option: 'vers', asked, got: version, why: 'the server has no newer one' }];
}

/** Of several flavours the server may choose a weaker one. */
function securityShortfall(options: string, { security }: Granted): readonly Shortfall[] {
  const named = valuesOf(wholeOptions(nfsOptions, options), 'sec').flatMap(([, value]) => value.split(':'));
  const [strongest] = named.toSorted((a, b) => flavours.indexOf(b) - flavours.indexOf(a));
  if (strongest === undefined || flavours.indexOf(security) >= flavours.indexOf(strongest)) return [];
  return [
    {
      option: 'sec',
      asked: strongest,
      got: security,
      why: `the server took another one that the options allow: leave it out of sec= where ${strongest} is needed`,
    },
  ];
}

/** @param asked without the 6 of IPv6. */
function transportShortfall(asked: string | undefined, { transport }: Granted): readonly Shortfall[] {
  if (asked === undefined || asked === transport.replace(/6$/, '')) return [];
  return [
    { option: 'proto', asked, got: transport, why: 'another mount of this server shares its transport' },
  ];
}

function tlsShortfall(options: readonly MountOption[], { tls }: Granted): readonly Shortfall[] {
  const asked = lastOption(options, 'xprtsec')?.value;
  if (asked === undefined || transportPolicies.indexOf(tls) >= transportPolicies.indexOf(asked)) return [];
  return [{ option: 'xprtsec', asked, got: tls, why: 'what goes over the network can be read there' }];
}

/** @see nfs_io_size() in fs/nfs/internal.h: the kernel rounds down to pages, or to a power of two. */
function sizeShortfall(
  option: 'rsize' | 'wsize',
  options: readonly MountOption[],
  got: number,
): readonly Shortfall[] {
  const asked = Number(lastOption(options, option)?.value);
  const isRounded = [1024, 4096, 16_384, 65_536].some((unit) => asked - (asked % unit) === got);
  if (!(asked > got) || isRounded) return [];
  return [
    {
      option,
      asked: String(asked),
      got: String(got),
      why: 'the server, or the kernel of this node, takes no more in one request',
    },
  ];
}

function connectionsShortfall(
  options: readonly MountOption[],
  { connections }: Granted,
): readonly Shortfall[] {
  const asked = Number(lastOption(options, 'nconnect')?.value);
  if (!(asked > connections)) return [];
  return [
    {
      option: 'nconnect',
      asked: String(asked),
      got: String(connections),
      why: 'mounts of one server share their connections, and the first of them says how many: unmount them all, and give each the same nconnect=',
    },
  ];
}

function locksShortfall(options: string, { locks }: Granted): readonly Shortfall[] {
  if (locks === 'server' || localLockOption(options) !== undefined) return [];
  const why = 'policy.locks of the settings has added nolock: other nodes do not see its locks';
  return [{ option: 'lock', asked: 'server', got: locks, why }];
}
