/** The numbers of those that helpers and daemons keep. @see linux/capability.h, capabilities(7) */
const numbers: Readonly<Record<string, number>> = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_BIND_SERVICE: 10,
  SYS_CHROOT: 18,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
};

/** A bit for each, below 2^41. @param names without `CAP_`. @throws Error for one that is not in the list above. */
export function capabilityBits(names: readonly string[]): number {
  return names.reduce((bits, name) => {
    const number = numbers[name];
    if (number === undefined) throw new Error(`there is no capability ${name}`);
    return bits + 2 ** number;
  }, 0);
}
