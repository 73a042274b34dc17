import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { runProgram } from '../../host/run-program.ts';
import type { ImageContent } from '../content.ts';
import { unpackImage } from '../layers/unpack-image.ts';

/**
 * Unpacks an image to `unfinished`, a name that means nothing yet, and leaves it there complete and on
 * disk: whoever gives it its name after that can be sure of it, after a power cut as well.
 * @param check refuses what was unpacked, by throwing.
 * @throws MounterError (system); nothing is left behind then.
 */
export async function stage(
  content: ImageContent,
  unfinished: string,
  check: (root: string) => Promise<void>,
): Promise<void> {
  mkdirSync(unfinished, 0o755);
  removeAtExit(unfinished);
  try {
    await unpackImage(content, realpathSync(unfinished));
    await check(unfinished);
    await runProgram('sync', ['-f', unfinished], 600_000);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** Also when a signal ends us; once it has its name, nothing is there to remove. */
export function removeAtExit(unfinished: string): void {
  process.once('exit', () => {
    try {
      rmSync(unfinished, { recursive: true, force: true });
    } catch {
      // Somebody else is taking it away at this moment; or the next run will.
    }
  });
}
