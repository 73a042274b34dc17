import { mkdir } from 'node:fs/promises';
import { buildFrontProgram } from '../../../scripts/front.ts';
import { cacheDirectory } from '../../../scripts/paths.ts';

/**
 * Programs of this directory on the front's own engine: what its modules and its C do is seen from outside, as
 * nothing but a mount would show it. Whatever C does that it must not do ends them.
 */
const directory = `${cacheDirectory}/front-programs`;

const built = new Map<string, Promise<string>>();

/** @returns its path. @throws MounterError (system) when the compiler can't be installed. */
export function frontProgram(name: string): Promise<string> {
  const program = built.get(name) ?? build(name);
  built.set(name, program);
  return program;
}

async function build(name: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const output = `${directory}/${name}`;
  await buildFrontProgram({
    entry: `${import.meta.dirname}/${name}.ts`,
    output,
    flags: ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  });
  return output;
}
