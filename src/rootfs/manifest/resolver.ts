import * as v from 'valibot';
import { ipAddress } from './fields.ts';

/** `resolver`: what stands in the rootfs's etc/resolv.conf. */
export const resolver = v.strictObject({
  /**
   * - `kubelet`: what kubelet writes at its start stays; until then it is a copy of the host's.
   * - `merge`: `nameservers` and `searches` below come before the host's own, whose options are kept.
   */
  mode: v.optional(v.picklist(['kubelet', 'merge']), 'kubelet'),
  nameservers: v.optional(v.array(ipAddress), []),
  searches: v.optional(v.array(v.string()), []),
});
