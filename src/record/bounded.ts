/** What no line of the record exceeds, in bytes; pipes of journald and syslog take as much at once. */
export const maximumLineBytes = 16 * 1024;

const ellipsis = '…';
const ellipsisBytes = 3;

/** The beginning of `text`, so that it takes at most `maximumBytes` in JSON as `oneLine` leaves it. */
export function beginningOf(text: string, maximumBytes: number): string {
  if (text.length * longestEscape <= maximumBytes) return text;
  const end = fitting(text, maximumBytes, (index) => index);
  if (end === text.length) return text;
  const kept = text.slice(
    0,
    fitting(text, maximumBytes - ellipsisBytes, (index) => index),
  );
  // Half of a pair is no text: JSON.stringify escapes it, pino does not.
  return `${kept.toWellFormed()}${ellipsis}`;
}

/** The end of `text`: of what a program said, the last words say why it gave up. */
export function endOf(text: string, maximumBytes: number): string {
  if (text.length * longestEscape <= maximumBytes) return text;
  const fromEnd = (index: number) => text.length - 1 - index;
  if (fitting(text, maximumBytes, fromEnd) === text.length) return text;
  const kept = text.slice(text.length - fitting(text, maximumBytes - ellipsisBytes, fromEnd));
  return `${ellipsis}${kept.toWellFormed()}`;
}

/** `\u0000`: what one UTF-16 unit takes at most. */
export const longestEscape = 6;

/** How many units fit, counted in the order that `place` gives. */
function fitting(text: string, maximumBytes: number, place: (index: number) => number): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    bytes += bytesOf(text.charCodeAt(place(index)));
    if (bytes > maximumBytes) return index;
  }
  return text.length;
}

/** Of one UTF-16 unit in JSON; of half a pair as if it were alone, which JSON.stringify escapes. */
function bytesOf(unit: number): number {
  if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0) || (unit >= 0xd800 && unit < 0xe000)) return longestEscape;
  if (unit === 0x22 || unit === 0x5c) return 2;
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit === 0x2028 || unit === 0x2029 ? longestEscape : 3;
}
