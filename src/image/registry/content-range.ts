/**
 * Where in the whole the body of an answer to a Range request begins.
 * @param headers of a 200, which has it all, or of a 206: `Content-Range: bytes 500-999/1000`.
 * @returns the first byte, and the size of the whole where it is said; undefined for an answer that says
 *   something else. @see RFC 9110, 14.4
 */
export function bodyRange(
  status: number,
  headers: { readonly 'content-range'?: string | undefined; readonly 'content-length'?: string | undefined },
): { readonly start: number; readonly total: number | undefined } | undefined {
  const length = headers['content-length'];
  if (status === 200) return { start: 0, total: length === undefined ? undefined : Number(length) };
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (status !== 206 || match === null) return undefined;
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}
