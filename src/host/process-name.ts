/** Of a process that the kernel calls `name`: it keeps 15 bytes of it. @see proc_pid_comm(5) */
export function isNamed(name: string | undefined, names: readonly string[]): boolean {
  return name !== undefined && names.some((wanted) => wanted.slice(0, 15) === name);
}
