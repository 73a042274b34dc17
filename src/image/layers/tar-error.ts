/** The bytes are no tar, or no whole one. The caller knows which file or layer it is about. */
export class TarError extends Error {
  override readonly name = 'TarError';
}
