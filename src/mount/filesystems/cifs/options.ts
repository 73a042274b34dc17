import type { OptionAnswer, OptionGrammar } from '../filesystem-driver.ts';
import { plain } from '../plain.ts';

/**
 * mount.cifs splits its options at each comma, and hands on to the kernel what it does not know.
 * @see parse_options() in mount.cifs.c; smb3_fs_parameters in fs/smb/client/fs_context.c, Linux 5.11 to 7.2
 */
const forbidden = [
  // A file that root reads: a Secret of another Pod, say, whose user name the server is told. With -v, cifs-utils until
  // 6.14 shows what it cannot read in it.
  'credentials',
  // It would stand on the command line of mount.cifs, for every user of the node to read: that of Debian 12 takes the
  // first password alone from its environment.
  'password2',
  // Another source than the one that was named.
  'source',
  'unc',
  'prefixpath',
  // The kernel runs programs of the host for them, with the tickets and passwords that other users have there.
  ...['krb5', 'krb5i', 'krb5p'].map((flavor) => `sec=${flavor}`),
  'cruid',
  'multiuser',
  'upcall_target',
  // A server chooses by it where the node goes next.
  'witness',
  // SMB1: whoever is on the way can read and change all, and servers that speak nothing else are long unmaintained.
  'vers=1.0',
];

/** Each by the name that a rule may use for it, too. */
const otherNames: Readonly<Record<string, string>> = {
  pass: 'password',
  user: 'username',
  cred: 'credentials',
  addr: 'ip',
  dom: 'domain',
  workgroup: 'domain',
  target: 'unc',
  path: 'unc',
  fmask: 'file_mode',
  dmask: 'dir_mode',
  dirm: 'dir_mode',
  dirmode: 'dir_mode',
  nolock: 'nobrl',
  ignorecase: 'nocase',
  unix: 'posix',
  linux: 'posix',
  nounix: 'noposix',
  nolinux: 'noposix',
  setuidfromacl: 'idsfromsid',
  modesid: 'modefromsid',
  forcemand: 'forcemandatorylock',
  signloosely: 'ignore_signature',
};

const otherVersions: Readonly<Record<string, string>> = { '3.11': '3.1.1', '3.02': '3.0.2' };

export const cifsOptions: OptionGrammar = {
  ...plain.options,
  forbidden: [...plain.options.forbidden, ...forbidden],
  isKnownName: (name) => Object.hasOwn(otherNames, name),
  says,
  matches: (name, value, wanted) => {
    if (name !== 'vers') return plain.options.matches(name, value, wanted);
    // In a rule, 3 is all of its minor ones, as it is for the kernel.
    return value === wanted || (wanted === '3' && value.startsWith('3.')) ? 'surely' : 'no';
  },
};

function says({ name, value }: OptionAnswer): readonly OptionAnswer[] {
  if (name === 'vers') return [{ name, value: otherVersions[value ?? ''] ?? value }];
  const known = otherNames[name];
  return known === undefined ? [] : [{ name: known, value }];
}

/** What `passwordsApart` makes of a list of options. */
interface PasswordsApart {
  /** In their order; of two mount.cifs takes the first. */
  readonly passwords: readonly string[];
  /** All other options, byte for byte. */
  readonly rest: string;
}

/** A comma in a password is written twice, as in the kernel's own grammar: `password=a,,b` is `a,b`. */
export function passwordsApart(options: string): PasswordsApart {
  const passwords: string[] = [];
  const rest = options.replace(
    /(?<=^|,)\s*pass(?:word)?(?:=((?:[^,]|,,)*))?(?:,|$)/g,
    (_, value: string = '') => {
      passwords.push(value.replaceAll(',,', ','));
      return '';
    },
  );
  return { passwords, rest: rest.replace(/,$/, '') };
}
