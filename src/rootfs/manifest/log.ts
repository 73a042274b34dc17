import * as v from 'valibot';
import { absolutePath } from './fields.ts';

/** `log`: where the record of each call goes. */
export const log = v.strictObject({
  to: v.optional(v.picklist(['file', 'journal', 'none']), 'file'),
  file: v.optional(absolutePath, '/var/log/containerized-mounter/mounter.log'),
  /** At this size the file becomes FILE.1, and a new one is begun. */
  maximumBytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(4096, 'must be at least 4096 bytes')),
    10_000_000,
  ),
});
