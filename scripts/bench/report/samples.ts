/** What is measured, and the figures of one run of it. */

/** How the volumes of the node are mounted. */
export const setups = ['chroot', 'attach', 'bare', 'naive'] as const;
export type Setup = (typeof setups)[number];

/** In the same rounds, where both are measured. */
export const measuredTogether: readonly Setup[] = ['chroot', 'attach'];

export const setupTitles: { readonly [Name in Setup]: string } = {
  chroot: 'mounter, enter: chroot',
  attach: 'mounter, enter: attach',
  bare: 'bare helper on the host',
  naive: 'binds made three times',
};

/** In the order in which each round runs them; a setup has some of them. */
export const subjects = [
  'helper',
  'chroot',
  'mounter',
  'full',
  'mounterCold',
  'fullCold',
  'true',
  'prepare',
  'status',
  'doctor',
] as const;
export type Subject = (typeof subjects)[number];

export const subjectTitles: { readonly [Name in Subject]: string } = {
  helper: 'mount.nfs',
  chroot: 'chroot ROOTFS mount -t nfs',
  mounter: 'mounter mount -t nfs',
  full: 'mounter-full mount -t nfs',
  mounterCold: 'mounter, read from disk',
  fullCold: 'mounter-full, read from disk',
  true: 'true',
  prepare: 'mounter prepare, with nothing to do',
  status: 'mounter status',
  doctor: 'mounter doctor',
};

/** One whole process, from its fork to its end, with the descendants it waited for. */
export interface Sample {
  /** Samples of one round were taken one after the other, while the machine was as busy for all. */
  readonly round: number;
  readonly subject: Subject;
  readonly wallMs: number;
  /** User and system. */
  readonly cpuMs: number;
  /** Of the largest process, in MB of 10^6 bytes. */
  readonly peakMb: number;
}

/** The samples of one setup with one number of mounted volumes. */
export interface Series {
  readonly setup: Setup;
  readonly volumes: number;
  /** Of mountinfo, what the setup itself takes included. */
  readonly entries: number;
  /** To read all of mountinfo: the median of some readings. */
  readonly readMs: number;
  /** Of the front, for one mount; undefined where they were not counted. */
  readonly instructions: number | undefined;
  readonly samples: readonly Sample[];
}

/**
 * One line of measure.c's output; `command` is the place in `measured`:
 *
 * ```
 * {"round":0,"command":2,"wallNs":14034123,"userUs":8120,"systemUs":6011,"peakKib":29876}
 * ```
 * @throws Error on any other text.
 */
export function parseSample(line: string, measured: readonly Subject[]): Sample {
  const fields: unknown = JSON.parse(line);
  const number = (name: string): number => {
    const value = (fields as { readonly [name: string]: unknown })[name];
    if (typeof value !== 'number') throw new Error(`measure printed no ${name}: ${line}`);
    return value;
  };
  const subject = measured[number('command')];
  if (subject === undefined) throw new Error(`measure printed an unknown command: ${line}`);
  return {
    round: number('round'),
    subject,
    wallMs: number('wallNs') / 1e6,
    cpuMs: (number('userUs') + number('systemUs')) / 1e3,
    peakMb: (number('peakKib') * 1024) / 1e6,
  };
}
