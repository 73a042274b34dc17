import { usageError } from '../../arguments/getopt.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountRequest } from '../../arguments/request.ts';
import type { FilesystemDriver } from '../filesystem-driver.ts';
import { helperOptions } from '../mount-options.ts';
import { plain, plainTraits } from '../plain.ts';
import { cifsOptions, passwordsApart } from './options.ts';
import {
  cifsKernelTypes,
  cifsPlaces,
  cifsServers,
  isSameCifsSource,
  likenessOfShare,
  parseShare,
  withSlashes,
} from './source.ts';

/** SMB, by the kernel's cifs and mount.cifs of cifs-utils 6.0 to 7.5. */
export const cifs: FilesystemDriver = {
  ...plain,
  kind: 'cifs',
  traits: { ...plainTraits, kernelTypes: cifsKernelTypes, isExtra: true, saysVersion: true },
  options: cifsOptions,
  servers: cifsServers,
  places: cifsPlaces,
  decodedSource: withSlashes,
  isSameSource: isSameCifsSource,
  likeness: likenessOfShare,
  helperArgv: cifsHelperArgv,
  // It ends where it may not have these, though it uses the first alone: its view has no file but root's own.
  privileges: { ...plain.privileges, capabilities: ['SYS_ADMIN', 'DAC_READ_SEARCH', 'DAC_OVERRIDE'] },
  // A comma in a password ends it on the command line, and not here. Without any, it would be asked for at a terminal.
  helperSecrets: ({ options }) => ({ PASSWD: passwordsApart(options).passwords[0] ?? '' }),
  isAsked: isSameCifsSource,
  isNewMountProof: false,
  probe: async () => (await import('./probe.ts')).cifsProbe,
  failureTexts: async () => (await import('./failure.ts')).cifsFailureTexts,
};

/**
 * argv for mount.cifs, without passwords. It puts the source into a list of options as it is, and takes an IPv6 address
 * without brackets alone.
 * @throws MounterError (usage) for a source that is none, or would be more than one option.
 */
function cifsHelperArgv(helper: string, request: MountRequest): readonly string[] {
  const { source, target, helperFlags } = request;
  const share = parseShare(source);
  if (share === undefined || source.includes(','))
    throw usageError(
      source,
      share === undefined
        ? 'is not written //SERVER/SHARE'
        : 'has a comma in it, behind which mount.cifs would see an option',
      'write //SERVER/SHARE or //SERVER/SHARE/DIRECTORY, without a comma',
    );
  const plainSource = source.replace(/^(..)\[([^\]]*)\]/, '$1$2');
  return [helper, plainSource, target, ...helperFlags, '-o', toldOptions(request)];
}

/**
 * `nodfs` first, where no list is too long for it: a server could send the mount to another one. And root's group, unless
 * the server says another: mount.cifs would ask for that of its own process.
 */
function toldOptions({ options }: MountRequest): string {
  const asked = helperOptions(passwordsApart(options).rest, true);
  const ofRoot = lastOption(parseOptions(asked), 'gid') === undefined ? ['gid=0', 'noforcegid'] : [];
  return ['nodfs', ...(asked === '' ? [] : [asked]), ...ofRoot].join(',');
}
