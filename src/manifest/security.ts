import * as v from 'valibot';
import { absolutePath, section } from './fields.ts';

/** Root's alone, and gone after a reboot, as tickets are. */
const usualCaches = '/run/containerized-mounter-krb5';

export const usualKeytab = '/etc/krb5.keytab';

/** For `sec=krb5`, `krb5i` and `krb5p`: files of the node, where its operator has them. */
const krb5 = section({
  /** With the key of `nfs/HOST`, `host/HOST`, `root/HOST` or `HOST$`: mounts are root's, and root's ticket is the node's. */
  keytab: v.optional(absolutePath, usualKeytab),
  config: v.optional(absolutePath, '/etc/krb5.conf'),
  /**
   * Where tickets of users are looked for, and in its directories that have their numbers for names: in files that are
   * theirs and whose names begin with krb5cc. It is made where it is missing, as root's own.
   */
  credentialCaches: v.optional(absolutePath, usualCaches),
});

/** For `xprtsec=tls` and `mtls`: files of the node, in PEM. */
const tls = section({
  /** What servers' certificates are held against; the machine's own trust store if left out. */
  trustStore: v.optional(absolutePath),
  /** What this node shows of itself, for `mtls`, and its key. */
  certificate: v.optional(absolutePath),
  privateKey: v.optional(absolutePath),
});

/** `security`: what daemons show servers of this node, and what they hold servers against. */
export const security = section({ krb5: v.optional(krb5, {}), tls: v.optional(tls, {}) });
