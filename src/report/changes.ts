import { uptime } from 'node:os';
import type { BareNode } from '../node/node.ts';
import { offFiles } from '../node/off.ts';
import type { RecordedCall } from '../record/parse.ts';
import { reported } from './calls.ts';

/** Something that may have made the node another: an install, a file of settings, a start of the machine. */
export interface Change {
  readonly time: string;
  readonly what: string;
  /** Of a command: `ok`, or the class of its failure; null for all else. */
  readonly result: string | null;
  /** Of a command, without secrets. */
  readonly arguments?: readonly string[];
}

const mostChanges = 40;

/** The latest first. @param calls of the record; none where it cannot be read. */
export function changes({ host, layout }: BareNode, calls: readonly RecordedCall[]): readonly Change[] {
  const files = [layout.manifest, layout.nodeSettings, layout.executable, layout.rootfs, ...offFiles(layout)];
  const changed = files.flatMap((path): readonly Change[] => {
    const status = host.lstat(path);
    if (status === undefined) return [];
    return [{ time: isoTime(status.changedMs), what: `last change of ${path}`, result: null }];
  });
  const commands = calls
    .filter(({ command, status }) => command !== 'mount' && command !== 'exec' && status !== undefined)
    .slice(-mostChanges)
    .map(reported)
    .map(
      ({ time, command, errorClass, status, arguments: words = [] }): Change => ({
        time,
        what: `mounter ${command}`,
        result: errorClass ?? (status === 0 ? 'ok' : `status ${status}`),
        arguments: words,
      }),
    );
  const boot = { time: isoTime(Date.now() - uptime() * 1000), what: 'the machine started', result: null };
  return [...changed, ...commands, boot].sort((a, b) => b.time.localeCompare(a.time)).slice(0, mostChanges);
}

function isoTime(ms: number): string {
  return new Date(Math.round(ms)).toISOString();
}
