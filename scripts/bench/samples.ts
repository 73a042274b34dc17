/** What is measured, and the figures of one run of it. */

/** In the order in which each round runs them. */
export const subjects = ['helper', 'chroot', 'mounter'] as const;
export type Subject = (typeof subjects)[number];

export const subjectTitles: { readonly [Name in Subject]: string } = {
  helper: 'chroot ROOTFS mount.nfs',
  chroot: 'chroot ROOTFS mount -t nfs',
  mounter: 'mounter mount -t nfs',
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

/** The samples of one number of mounted volumes. */
export interface Series {
  readonly volumes: number;
  readonly samples: readonly Sample[];
}

/**
 * One line of measure.c's output; `command` is the place in `subjects`:
 *
 * ```
 * {"round":0,"command":2,"wallNs":14034123,"userUs":8120,"systemUs":6011,"peakKib":29876}
 * ```
 * @throws Error on any other text.
 */
export function parseSample(line: string): Sample {
  const fields: unknown = JSON.parse(line);
  const number = (name: string): number => {
    const value = (fields as { readonly [name: string]: unknown })[name];
    if (typeof value !== 'number') throw new Error(`measure printed no ${name}: ${line}`);
    return value;
  };
  const subject = subjects[number('command')];
  if (subject === undefined) throw new Error(`measure printed an unknown command: ${line}`);
  return {
    round: number('round'),
    subject,
    wallMs: number('wallNs') / 1e6,
    cpuMs: (number('userUs') + number('systemUs')) / 1e3,
    peakMb: (number('peakKib') * 1024) / 1e6,
  };
}
