import * as v from 'valibot';
import { ipAddress } from './fields.ts';

/** `policy`: what a mount may ask for on this node. */
export const policy = v.strictObject({
  /**
   * A mount that may come out as NFSv3 needs locks that work, for which this node runs rpcbind and rpc.statd.
   * v4 has locks of its own: nothing here touches a mount that asks for it.
   * - `require`: `nolock` and `local_lock` are refused, also without a version, which may be negotiated down to v3.
   * - `allow-nolock`: as the options say.
   * - `add-nolock`: v3, or no version, gets `nolock` unless `lock` is among the options, and the call says so.
   *   Programs on two nodes may then hold one lock at once. Where v4 is negotiated `nolock` has no effect.
   */
  locks: v.optional(v.picklist(['require', 'allow-nolock', 'add-nolock']), 'allow-nolock'),
  /**
   * On which addresses the rpcbind that mounter starts takes questions by UDP, at port 111; from its next start
   * on. TCP stays open on all of them: rpcbind has no setting for it, and a forged question can't come by TCP.
   * - `any`: on all. Whoever reaches the node can ask it, and a forged question makes it answer to a victim.
   * - `loopback`: this node alone can ask. Mounts and locks work; but servers cannot call back, so that a program
   *   which waits for a lock may get it up to half a minute after it is free, and locks held while the server
   *   reboots may be lost without notice.
   * - addresses: on these, such as the one of the storage network, and on loopback.
   */
  portmapper: v.optional(
    v.union([
      v.picklist(['any', 'loopback']),
      v.pipe(v.array(ipAddress), v.minLength(1, 'must name an address; "loopback" is for none')),
    ]),
    'any',
  ),
});
