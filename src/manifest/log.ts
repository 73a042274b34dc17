import * as v from 'valibot';
import { absolutePath, section } from './fields.ts';
import { defaultPlace } from './record-place.ts';

/** One line takes up to 16 KiB, and what is rotated away has to stay until the slowest writer is done. */
const minimumBytes = 64 * 1024;
/** Whoever may set it is not to fill the disk of the node's own logs. */
const maximumBytes = 1e9;

/** `log`: where the record of each call goes. */
export const log = section({
  to: v.optional(v.picklist(['file', 'journal', 'none']), defaultPlace.to),
  file: v.optional(absolutePath, defaultPlace.file),
  /** At about this size the file becomes FILE.1, and a new one is begun. */
  maximumBytes: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(minimumBytes, `must be at least ${minimumBytes} bytes`),
      v.maxValue(maximumBytes, `must be at most ${maximumBytes} bytes`),
    ),
    defaultPlace.maximumBytes,
  ),
});
