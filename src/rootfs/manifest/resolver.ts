import * as v from 'valibot';

const nameserver = v.pipe(v.string(), v.ip('must be an IP address'));

/** `resolver`: what stands in the rootfs's etc/resolv.conf. */
export const resolver = v.strictObject({
  /**
   * - `kubelet`: what kubelet writes at its start stays; until then it is a copy of the host's.
   * - `merge`: `nameservers` and `searches` below come before the host's own, whose options are kept.
   */
  mode: v.optional(v.picklist(['kubelet', 'merge']), 'kubelet'),
  nameservers: v.optional(v.array(nameserver), []),
  searches: v.optional(v.array(v.string()), []),
});
