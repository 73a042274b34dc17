import type { FailureTexts, Wording } from '../filesystem-driver.ts';
import { word } from '../hints.ts';
import { plainFailureTexts } from '../plain.ts';

/** Numbers are errno's, which mount.cifs shows before strerror(3)'s words for it. */
const cifsWordings: readonly Wording[] = [
  // mount.cifs.c (acquire_mountpoint)
  {
    pattern: /Couldn't chdir to |Unable to resolve .* to canonical path/,
    errorClass: 'mount-point',
  },
  // mount.cifs.c (parse_unc)
  {
    pattern:
      /: bad UNC \(|UNC name too (short|long)|portion of UNC too long|UNC prefixpath too long|Mounting cifs URL not implemented/,
    errorClass: 'usage',
  },
  // mount.cifs.c (assemble_mountinfo), with "Unknown error" for the reason
  {
    pattern: /mount error: could not resolve address for/,
    errorClass: 'name-resolution',
  },
  // mount.cifs.c (main: ENODEV; drop_capabilities)
  {
    pattern: /filesystem not supported by the system|mount error\(19\)|Unable to apply new capability set/,
    errorClass: 'node',
  },
  // mount.cifs.c (parse_options, set_password, main); EINVAL of the kernel
  {
    pattern:
      /mount error\(22\)|bad option:? |bad (user|group) name|bad snapshot token|requires a numerical argument|(ip address|domain name|password) too long|Options string too long|username specified with no parameter|opening credential file|unknown command-line option/,
    errorClass: 'bad-option',
  },
  // EPERM, EACCES; ENOKEY, EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED: a password that has expired
  {
    pattern: /mount error\((1|13|126|127|128|129)\)/,
    errorClass: 'access-denied',
  },
  // ENOENT; ENXIO of a share with SMB1; ENOTDIR
  {
    pattern: /mount error\((2|6|20)\)/,
    errorClass: 'no-such-export',
  },
  // EPROTONOSUPPORT, EOPNOTSUPP; EHOSTDOWN, of a server that ends the connection, explained since 6.9
  {
    pattern: /mount error\((93|95|112)\)|Server abruptly closed the connection/,
    errorClass: 'version-not-offered',
  },
  // EBUSY
  { pattern: /mount error\(16\)/, errorClass: 'busy' },
  // ECONNREFUSED
  { pattern: /mount error\(111\)/, errorClass: 'connection-refused' },
  // ENETDOWN, ENETUNREACH, EHOSTUNREACH
  {
    pattern: /mount error\((100|101|113)\)/,
    errorClass: 'no-route',
  },
  // EAGAIN, ECONNRESET, ETIMEDOUT; EINPROGRESS, which ends a connect(2) of the kernel after 5 s
  {
    pattern: /mount error\((11|104|110|115)\)/,
    errorClass: 'server-silent',
  },
];

export const cifsFailureTexts: FailureTexts = {
  ...plainFailureTexts,
  wordings: cifsWordings,
  hints: {
    'connection-refused': ({ server }) =>
      `start the SMB server on ${word(server)}, or name its port with -o port=PORT`,
    'access-denied': ({ server }) =>
      `compare username=, password= and domain= with what ${word(server)} knows, and see whether it lets that user into the share; dmesg has its answer`,
    'no-such-export': ({ server }) =>
      `compare the share with those of ${word(server)}, and the directory with what is in the share`,
    'version-not-offered': ({ server }) =>
      `ask for a version that ${word(server)} offers: vers=3.1.1, 3.0 or 2.1; it ended the connection, or said that it has not this one`,
    'bad-option': () =>
      'take it out of mountOptions; dmesg names an option that the kernel did not take, mount.cifs(8) lists those that there are',
    usage: () => 'write //SERVER/SHARE or //SERVER/SHARE/DIRECTORY',
  },
};
