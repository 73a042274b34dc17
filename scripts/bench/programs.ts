import { mkdir, rename } from 'node:fs/promises';
import { execa } from 'execa';
import { ensureInstalled } from '../debian.ts';
import { cacheDirectory } from '../paths.ts';

/** Everything of the benchmark that outlives a run, and the directory that its node is made on. */
export const benchDirectory = `${cacheDirectory}/bench`;

/** The C programs, compiled: absolute paths. */
export interface BenchPrograms {
  /** Runs commands and prints what they cost. */
  readonly measure: string;
  /** The helper that does one mount(2). */
  readonly standIn: string;
}

/**
 * Compiles them, with a compiler from Debian where the machine has none.
 * @throws MounterError (system) when the compiler can't be installed.
 */
export async function compilePrograms(): Promise<BenchPrograms> {
  await ensureInstalled(['gcc', 'libc6-dev']);
  await mkdir(benchDirectory, { recursive: true });
  const [measure, standIn] = await Promise.all([compile('measure'), compile('stand-in')]);
  return { measure, standIn };
}

/** Static: a dynamic loader would cost more than the program, and the rootfs has another libc than we. */
async function compile(name: string): Promise<string> {
  const program = `${benchDirectory}/${name}`;
  const unfinished = `${program}.${process.pid}`;
  const source = `${import.meta.dirname}/${name}.c`;
  await execa('gcc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', unfinished, source]);
  await rename(unfinished, program);
  return program;
}
