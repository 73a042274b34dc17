import * as v from 'valibot';
import { nearest } from '../nearest.ts';
import { mostReadAheadKib } from './filesystem-kinds.ts';

/** What fields of several sections of the manifest have in common. */

/** An object with these fields and no others. Of one that is mistyped the message names what was meant. */
export function section<const Entries extends v.ObjectEntries>(entries: Entries) {
  // Without the names that every object has, such as `toString`: no setting is called so.
  const own: Entries = Object.assign(Object.create(null), entries);
  return v.strictObject(own, ({ expected, path, message }: v.StrictObjectIssue) => {
    const [at] = path ?? [];
    if (at?.type !== 'object') return message;
    if (expected === 'never') {
      const near = nearest(at.key, Object.keys(entries));
      return `there is no such setting${near === undefined ? '' : `; did you mean ${near}?`}`;
    }
    const near = nearest(
      at.key,
      Object.keys(at.input).filter((name) => !Object.hasOwn(entries, name)),
    );
    return `is missing${near === undefined ? '' : `; ${near} is there instead`}`;
  });
}

export const absolutePath = v.pipe(
  v.string(),
  v.regex(/^(\/[^/\x00-\x1f]+)+$/, 'must be an absolute path below /, without a trailing or repeated slash'),
  v.regex(/^(?!.*\/\.\.?(\/|$))/, 'must be an absolute path without "." or ".." parts'),
);

export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'));

export const digest = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, 'must be "sha256:" and 64 hexadecimal digits'),
);

export const seconds = v.pipe(
  v.number(),
  v.minValue(0.1, 'must be at least 0.1 s'),
  v.maxValue(3600, 'must be at most 3600 s'),
);

/** A time that may be none. */
export const secondsOrNone = v.pipe(
  v.number(),
  v.minValue(0, 'must not be negative'),
  v.maxValue(60, 'must be at most 60 s'),
);

/** Of a filesystem; 0 reads nothing ahead. */
export const readAheadKib = v.pipe(
  v.number(),
  v.integer('must be a whole number of KiB'),
  v.minValue(0, 'must be at least 0 KiB, which reads nothing ahead'),
  v.maxValue(mostReadAheadKib, `must be at most ${mostReadAheadKib} KiB`),
);

export const ipAddress = v.pipe(v.string(), v.ip('must be an IP address'));
