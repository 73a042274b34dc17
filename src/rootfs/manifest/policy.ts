import * as v from 'valibot';

/** `policy`: what a mount may ask for on this node. */
export const policy = v.strictObject({
  /**
   * - `require`: an NFSv3 mount has to have locks that work; `nolock` is refused.
   * - `allow-nolock`: as the options say.
   * - `add-nolock`: a v3 mount that does not say `lock` gets `nolock`, and the call says so.
   */
  locks: v.optional(v.picklist(['require', 'allow-nolock', 'add-nolock']), 'allow-nolock'),
});
