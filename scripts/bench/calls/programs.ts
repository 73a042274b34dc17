import { mkdir, rename } from 'node:fs/promises';
import { basename } from 'node:path';
import { execa } from 'execa';
import { ensureInstalled } from '../../debian.ts';
import { cacheDirectory } from '../../paths.ts';

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
  const [measure, standIn] = await Promise.all(
    ['measure', 'stand-in'].map((name) => compileStatic(`${import.meta.dirname}/${name}.c`)),
  );
  if (measure === undefined || standIn === undefined) throw new Error('nothing was compiled');
  return { measure, standIn };
}

/** Static: a dynamic loader would cost more than the program, and the rootfs has another libc than we. */
export async function compileStatic(source: string): Promise<string> {
  const program = `${benchDirectory}/${basename(source, '.c')}`;
  const unfinished = `${program}.${process.pid}`;
  await execa('gcc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', unfinished, source]);
  await rename(unfinished, program);
  return program;
}
