import { existsSync } from 'node:fs';
import type { Setup, Subject } from '../report/samples.ts';
import type { BenchNode } from './node.ts';
import type { BenchPrograms } from './programs.ts';

export interface MeasuredCommand {
  readonly subject: Subject;
  readonly argv: readonly string[];
  /** Its file is read from disk in each run. */
  readonly isCold?: boolean;
}

/** What is measured in a setup, in the order of a round. */
export function commandsOf(
  setup: Setup,
  { home, rootfs, target }: BenchNode,
  { standIn }: BenchPrograms,
): readonly MeasuredCommand[] {
  const operands = ['10.0.0.5:/exports/bench', target];
  const mount = ['mount', '-t', 'nfs', '-o', 'vers=4', ...operands];
  const chroot = ['/usr/sbin/chroot', rootfs];
  const byMounter = [`${home}/mounter`, ...mount];
  const byFull = [`${home}/mounter-full`, ...mount];
  const executables: readonly MeasuredCommand[] = [
    { subject: 'mounter', argv: byMounter },
    { subject: 'mounterCold', argv: byMounter, isCold: true },
    ...(existsSync(`${home}/mounter-full`)
      ? ([
          { subject: 'full', argv: byFull },
          { subject: 'fullCold', argv: byFull, isCold: true },
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
      return executables;
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
