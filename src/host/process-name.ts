import type { ProcessInformation } from './host.ts';

/** Whether the kernel calls a process one of `names`: it keeps 15 bytes of its program's. */
export function isNamed(name: string | undefined, names: readonly string[]): boolean {
  return name !== undefined && names.some((wanted) => wanted.slice(0, 15) === name);
}

/** Whether a process runs the program of one of these names, whatever it is called meanwhile. */
export function isProgram({ name, executable }: ProcessInformation, names: readonly string[]): boolean {
  return isNamed(name, names) || names.includes(executable?.replace(/^.*\/| \(deleted\)$/g, '') ?? '');
}

export const glusterfsPrograms: readonly string[] = ['glusterfs', 'glusterfsd'];
