import type { MountRequest } from '../arguments/request.ts';
import type { FilesystemDriver, FilesystemTraits, OptionGrammar, ValueMatch } from './filesystem-driver.ts';
import { helperOptions } from './mount-options.ts';

/** What drivers begin with (`...plain`): a helper that is called as mount(8) calls it, for servers that cannot be asked. */

/** mount(2), and a port below 1024, which servers ask for. */
const capabilities = ['SYS_ADMIN', 'NET_BIND_SERVICE'];

/**
 * A number that no user and no group has: glusterfs writes it as one of 31 bits. Whoever has the ids of another process
 * may go through its /proc/PID/root, to all files that it sees, and root's processes without capabilities let every
 * root do so: hence a group that none of them has. @see ptrace(2) "Ptrace access mode checking"
 */
export const nobodysId = 2_147_400_107;

/**
 * Whoever writes a Pod chooses the options; the helper is root. So none that runs another program, mounts something else
 * than the source, or writes a file of the asker's choice: libmount's. @see mount(8), util-linux 2.34 to 2.41
 */
const forbidden = [
  // Another operation than this mount, done with the same words.
  'bind',
  'rbind',
  'move',
  'beneath',
  // The propagation of the new mount: it would not reach the host, or not go with the Pod.
  ...['shared', 'slave', 'private', 'unbindable'].flatMap((type) => [type, `r${type}`]),
  // A file of the rootfs as a block device, a dm-verity device.
  'loop',
  'offset',
  'sizelimit',
  'encryption',
  'verity.*',
  // Another directory than the source, or another owner and mode: nobody does that here, and it would go unnoticed.
  ...['subdir', 'idmap', 'owner', 'group', 'mode'].map((name) => `x-mount.${name}`),
];

const plainOptions: OptionGrammar = {
  isReaderKnown: true,
  forbidden,
  harmless: [],
  ownOptions: [],
  separator: ',',
  writtenFiles: ['log-file', 'dump-fuse', 'pid-file', 'socket-file'],
  subdirectories: ['subdir-mount'],
  alternatives: [
    ['ro', 'rw'],
    ['hard', 'soft', 'softerr'],
    ['fg', 'bg'],
    ['sync', 'async'],
    ['lock', 'nolock', 'local_lock'],
  ],
  isKnownName: () => false,
  says: () => [],
  mayMean: () => [],
  matches: plainMatch,
  isCumulative: () => false,
  version: () => undefined,
  refuseUnclear: () => {},
};

function plainMatch(name: string, value: string, wanted: string): ValueMatch {
  if (name === 'vers') return isSameVersion(value, wanted) ? 'surely' : 'no';
  if (value === wanted) return 'surely';
  return value.toLowerCase() === wanted.toLowerCase() || mayBeNumber(value, wanted) ? 'perhaps' : 'no';
}

/** `3` is `03`; a major version alone, in the rule, is all of its minor ones. */
function isSameVersion(value: string, wanted: string): boolean {
  const [major, minor] = value.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = wanted.split('.').map((part) => Number.parseInt(part, 10));
  if (major !== wantedMajor || Number.isNaN(wantedMajor)) return false;
  return wantedMinor === undefined || wantedMinor === minor;
}

/** mount.nfs reads the digits that a number begins with (strtol(3)); the kernel, 0x10 and 020 too (kstrtouint, base 0). */
function mayBeNumber(value: string, wanted: string): boolean {
  if (!/^\d+$/.test(wanted)) return false;
  const text = value.trim().replace(/^\+/, '');
  const byKernel = /^0[0-7]+$/.test(text)
    ? Number.parseInt(text, 8)
    : Number(text === '' ? Number.NaN : text);
  return Number.parseInt(text, 10) === Number(wanted) || byKernel === Number(wanted);
}

export const plainTraits: FilesystemTraits = {
  kernelTypes: [],
  canMapUsers: false,
  isExtra: false,
  calledPrograms: [],
  lookedUpFiles: [],
  loadedLibraries: [],
  mayLoad: undefined,
  saysVersion: false,
  isGuarded: false,
  writesTo: [],
  volume: undefined,
  hasLockServices: false,
  isToldApartByName: false,
  needsLockServices: () => false,
  securityOf: () => [],
  daemons: () => [],
};

export const plain: Omit<FilesystemDriver, 'kind' | 'traits'> = {
  options: plainOptions,
  servers: () => undefined,
  places: () => undefined,
  decodedSource: (source) => source,
  isSameSource: ({ source }, entry) => entry.source === source,
  likeness: () => undefined,
  lackOf: async () => undefined,
  helperArgv: plainHelperArgv,
  helperSecrets: () => ({}),
  hasFakeMount: true,
  privileges: { capabilities, user: 0, group: nobodysId },
  daemon: undefined,
  logFile: () => undefined,
  withoutNoise: (output) => output,
  lockServices: () => 'never',
  securityNeeds: () => [],
  mayNegotiateKerberos: () => false,
  hasNegotiatedLocks: () => false,
  provideSecurity: async () => undefined,
  applyLockPolicy: ({ options }) => ({ options, notices: [] }),
  isAsked: () => true,
  isNewMountProof: true,
  familyOption: () => undefined,
  probe: async () => undefined,
  failureTexts: async () => plainFailureTexts,
};

function plainHelperArgv(helper: string, { source, target, helperFlags, options }: MountRequest) {
  return [helper, source, target, ...helperFlags, ...optionWords(helperOptions(options, true))];
}

export function optionWords(options: string): readonly string[] {
  return options === '' ? [] : ['-o', options];
}

export const plainFailureTexts = {
  wordings: [],
  hints: {},
  saidInLog: () => '',
  lackOfNode: () => undefined,
  unresolvedServer: () => undefined,
  sayNoRouteAsWell: undefined,
  isTaciturn: false,
};

/** A server as a source has it. */
export function bracketed(server: string): string {
  return server.includes(':') && !server.startsWith('[') ? `[${server}]` : server;
}
