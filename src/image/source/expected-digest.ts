import { sourceError } from './source-error.ts';

/**
 * @param found what the image may rightly be called by.
 * @throws MounterError (system) when the operator expects another.
 */
export function checkExpected(
  expected: string | undefined,
  found: readonly string[],
  reference: string,
): void {
  if (expected === undefined || found.includes(expected)) return;
  throw sourceError(
    reference,
    `the digest of its contents is ${found[0]}, not ${expected}`,
    'a tag may have moved: name the image by its digest; or name the manifest that belongs to it with --manifest',
  );
}
