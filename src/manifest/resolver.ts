import * as v from 'valibot';
import { ipAddress, section } from './fields.ts';

const domain = v.pipe(
  v.string(),
  v.regex(
    /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/,
    'must be a domain name',
  ),
);

/** `resolver`: what stands in the rootfs's etc/resolv.conf. */
export const resolver = section({
  /**
   * - `kubelet`: what kubelet writes at its start stays. Until then `nameservers` and `searches` below come first,
   *   then the host's own.
   * - `merge`: `nameservers` and `searches` below come first, then what kubelet wrote, then the host's own, whose
   *   options are kept. Three name servers at most: glibc reads no more. It is made again when the host's changes.
   */
  mode: v.optional(v.picklist(['kubelet', 'merge']), 'kubelet'),
  /** The cluster's, e.g. `["10.96.0.10"]`. */
  nameservers: v.optional(v.array(ipAddress), []),
  /** For short names of Services: `["svc.cluster.local"]` makes `nfs.default` one. */
  searches: v.optional(v.array(domain), []),
});
