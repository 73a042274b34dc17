import type { Remains } from '../storm/left.ts';

/** What a node has at one moment of a soak. */
export interface Moment extends Remains {
  /** Mount namespaces that are pinned by a file. */
  readonly pinned: number;
  /** Entries of the mount table inside each of them. */
  readonly pinnedMounts: readonly number[];
  /** The daemon of the GlusterFS volume that stays mounted all the time. */
  readonly daemonPid: number;
  readonly daemonFds: number;
  readonly daemonMb: number;
  /** Objects in the kernel's cache of mounts, of the whole machine; null where it does not say. */
  readonly mountObjects: number | null;
}

export interface SoakReport {
  readonly cycles: number;
  readonly prepares: number;
  readonly seconds: number;
  /** Calls that did not succeed, with their words; the first of them. */
  readonly failures: readonly string[];
  /** After a few cycles, and after all. */
  readonly early: Moment;
  readonly late: Moment;
}

/** What must hold: empty when nothing was left and nothing grew. */
export function soakFaults({ failures, early, late }: SoakReport): readonly string[] {
  const same = (name: 'processes' | 'mounts' | 'files' | 'pinned' | 'pinnedMounts' | 'daemonPid') =>
    JSON.stringify(early[name]) === JSON.stringify(late[name])
      ? []
      : [`${name}: ${JSON.stringify(late[name])}, and early on ${JSON.stringify(early[name])}`];
  return [
    ...failures,
    ...(['processes', 'mounts', 'files', 'pinned', 'pinnedMounts', 'daemonPid'] as const).flatMap(same),
    ...grown('file descriptors of the daemon', early.daemonFds, late.daemonFds, 2),
    // What a page or two more or less shared with others makes of it.
    ...grown('MB of the daemon', early.daemonMb, late.daemonMb, 2),
  ];
}

function grown(what: string, before: number, after: number, tolerance: number): readonly string[] {
  return after <= before + tolerance ? [] : [`${what}: ${after}, and early on ${before}`];
}

export function describeSoak({ cycles, prepares, seconds, early, late }: SoakReport): string {
  const row = (name: string, figure: (moment: Moment) => number | string | null) =>
    `  ${name.padEnd(38)} ${figure(early)} → ${figure(late)}`;
  return [
    `${cycles} mounts and unmounts with ${prepares} prepares beside them, in ${Math.round(seconds)} s; early → late:`,
    row('entries of the host’s mount table', ({ mounts }) => mounts),
    row('pinned namespaces', ({ pinned }) => pinned),
    row('entries in them', ({ pinnedMounts }) => pinnedMounts.join(', ') || '-'),
    row('processes', ({ processes }) => processes.length),
    row('files in /run', ({ files }) => files.length),
    row('file descriptors of the gluster daemon', ({ daemonFds }) => daemonFds),
    row('MB of the gluster daemon', ({ daemonMb }) => daemonMb.toFixed(1)),
    row('mounts in the kernel’s cache', ({ mountObjects }) => mountObjects),
    '',
  ].join('\n');
}
