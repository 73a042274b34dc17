import { existsSync } from 'node:fs';
import type { Setup, Subject } from '../report/samples.ts';
import type { BenchNode } from './node.ts';
import type { BenchPrograms } from './programs.ts';

export interface MeasuredCommand {
  readonly subject: Subject;
  readonly argv: readonly string[];
  /** `cold`: its file is read from disk in each run. `plain`: it mounts nothing. */
  readonly how?: 'cold' | 'plain';
}

/** Of mount(8) and of `mounter`. */
export function mountArguments(target: string): readonly string[] {
  return ['mount', '-t', 'nfs', '-o', 'vers=4', ...operandsOf(target)];
}

function operandsOf(target: string): readonly string[] {
  return ['10.0.0.5:/exports/bench', target];
}

/** What is measured in a setup, in the order of a round. */
export function commandsOf(
  setup: Setup,
  { pid, home, rootfs, target }: BenchNode,
  { standIn }: BenchPrograms,
): readonly MeasuredCommand[] {
  const operands = operandsOf(target);
  const mount = mountArguments(target);
  const chroot = ['/usr/sbin/chroot', rootfs];
  const byMounter = [`${home}/mounter`, ...mount];
  const byFull = [`${home}/mounter-full`, ...mount];
  const executables: readonly MeasuredCommand[] = [
    { subject: 'mounter', argv: byMounter },
    { subject: 'mounterCold', argv: byMounter, how: 'cold' },
    ...(existsSync(`/proc/${pid}/root${home}/mounter-full`)
      ? ([
          { subject: 'full', argv: byFull },
          { subject: 'fullCold', argv: byFull, how: 'cold' },
        ] as const)
      : []),
  ];
  const original: MeasuredCommand = { subject: 'chroot', argv: [...chroot, ...mount] };
  switch (setup) {
    case 'bare':
      return [{ subject: 'helper', argv: [standIn, ...operands, '-o', 'vers=4'] }];
    case 'naive':
      return [original];
    case 'attach':
      return [
        ...executables,
        { subject: 'true', argv: ['/usr/bin/true'], how: 'plain' },
        { subject: 'prepare', argv: [`${home}/mounter`, 'prepare'], how: 'plain' },
        { subject: 'status', argv: [`${home}/mounter`, 'status'], how: 'plain' },
        { subject: 'doctor', argv: [`${home}/mounter`, 'doctor'], how: 'plain' },
      ];
    case 'chroot':
      return [
        { subject: 'helper', argv: [...chroot, '/sbin/mount.nfs', ...operands, '-o', 'vers=4'] },
        original,
        ...executables,
      ];
    default:
      return setup satisfies never;
  }
}
