const usualBasis = 0x811c9dc5;

/** FNV-1a of 32 bits, over UTF-16 units. @param basis another one is another hash. @see RFC 9923 */
export function fnv(text: string, basis = usualBasis): number {
  let value = basis;
  for (let index = 0; index < text.length; index += 1)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
