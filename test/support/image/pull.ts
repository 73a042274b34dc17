import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { MounterError } from '../../../src/errors.ts';
import { openSource, type ProgressEvent, type SourceOptions } from '../../../src/image/source.ts';

/** What came of a source: digests of the bytes that its layers really had, or the error. */
export interface Pulled {
  readonly digest?: string;
  readonly layers?: readonly string[];
  readonly events: readonly ProgressEvent[];
  readonly error?: { readonly subject: string; readonly message: string; readonly hint: string };
}

/** Opens `word` and reads all its layers, in order. @throws what is no MounterError. */
export async function pull(word: string, options: Omit<SourceOptions, 'progress'>): Promise<Pulled> {
  const events: ProgressEvent[] = [];
  try {
    const source = await openSource(word, { ...options, progress: (event) => events.push(event) });
    try {
      const layers: string[] = [];
      for (const layer of source.content.layers) {
        const hash = createHash('sha256');
        for await (const chunk of await layer.open()) hash.update(chunk);
        layers.push(`sha256:${hash.digest('hex')}`);
      }
      return { digest: source.content.digest, layers, events };
    } finally {
      await source.dispose();
    }
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    const { subject = '', message, hint = '' } = error;
    return { events, error: { subject, message, hint } };
  }
}

/** As a program, for the engine of the compiled executable: a list of pulls on stdin, of results on stdout. */
if (import.meta.main) {
  const requests = JSON.parse(await text(process.stdin));
  const results: Pulled[] = [];
  for (const { word, options } of requests) results.push(await pull(word, options));
  process.stdout.write(JSON.stringify(results));
}
