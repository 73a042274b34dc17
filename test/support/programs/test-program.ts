import { copyFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { execa } from 'execa';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { cacheDirectory } from '../../../scripts/paths.ts';
import { type ScratchNode, shared } from '../node/namespace.ts';

/** The C programs of this directory, compiled. */
const directory = `${cacheDirectory}/test-programs`;

const compiled = new Map<string, Promise<string>>();

/**
 * Static: a rootfs, a scratch node and the test VM have other libcs than this machine.
 * @returns its path, as this machine has it.
 * @throws MounterError (system) when the compiler can't be installed.
 */
export function testProgram(name: string): Promise<string> {
  const program = compiled.get(name) ?? compile(name);
  compiled.set(name, program);
  return program;
}

async function compile(name: string): Promise<string> {
  await ensureInstalled(['gcc', 'libc6-dev']);
  await mkdir(directory, { recursive: true });
  const program = compiledProgram(name);
  // Other processes compile it at the same time.
  const unfinished = `${program}.${process.pid}`;
  const source = `${import.meta.dirname}/${name}.c`;
  await execa('gcc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', unfinished, source]);
  await rename(unfinished, program);
  return program;
}

/** Where it is once it has been compiled: the test VM has no compiler. */
export function compiledProgram(name: string): string {
  return `${directory}/${name}`;
}

/** Compiled, and copied to where the node can run it: its path in the node. */
export async function programIn(node: ScratchNode, name: string): Promise<string> {
  copyFileSync(await testProgram(name), `${node.sharedDirectory}/${name}`);
  return `${shared}/${name}`;
}
