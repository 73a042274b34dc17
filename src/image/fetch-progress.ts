import type { Output } from '../host/output.ts';
import type { ProgressEvent } from './source.ts';

/** What is shown of an image on its way, on stderr: stdout is for the result. */
export interface FetchProgress {
  report(event: ProgressEvent): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

export interface Terminal {
  readonly columns: number;
}

/** Not more often: a terminal over a slow line is to keep up. */
const redrawMs = 100;

/**
 * @param terminal a bar is drawn there; undefined where stderr is none, and gets a line for each layer.
 * @param isVerbose whether details are wanted.
 * @param now milliseconds.
 */
export function fetchProgress(
  output: Output,
  terminal: Terminal | undefined,
  isVerbose = false,
  now: () => number = () => performance.now(),
): FetchProgress {
  const { report, end } = terminal === undefined ? plainLines(output) : bar(output, terminal, now);
  return { report: (event) => (event.kind === 'detail' && !isVerbose ? undefined : report(event)), end };
}

function plainLines(output: Output): FetchProgress {
  return {
    report: (event) => {
      const line = lineOf(event);
      if (line !== undefined) output.err(`${line}\n`);
    },
    end: () => {},
  };
}

function lineOf(event: ProgressEvent): string | undefined {
  switch (event.kind) {
    case 'resolved':
      return event.blobs.length === 0
        ? undefined
        : `fetching ${event.digest}: ${megabytes(event.totalBytes)} in ${event.blobs.length} blobs`;
    case 'complete':
      return `${event.isFromDisk ? 'had' : 'fetched'} ${event.blob}: ${megabytes(event.size)}`;
    case 'retry':
    case 'detail':
      return event.message;
    case 'received':
      return undefined;
    default:
      return event satisfies never;
  }
}

function bar(output: Output, { columns }: Terminal, now: () => number): FetchProgress {
  const received = new Map<string, number>();
  let total: number | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const clear = () => {
    if (drawnAt > Number.NEGATIVE_INFINITY) output.err('\r\x1b[K');
    drawnAt = Number.NEGATIVE_INFINITY;
  };
  const draw = (isLast: boolean) => {
    if (!isLast && now() - drawnAt < redrawMs) return;
    drawnAt = now();
    const bytes = [...received.values()].reduce((sum, each) => sum + each, 0);
    output.err(`\r${barText(bytes, total, columns)}\x1b[K`);
  };
  return {
    report: (event) => {
      if (event.kind === 'retry' || event.kind === 'detail') {
        clear();
        output.err(`${event.message}\n`);
        return;
      }
      if (event.kind === 'resolved') {
        if (event.blobs.length > 0) total = event.totalBytes;
        return;
      }
      received.set(event.blob, event.kind === 'complete' ? event.size : event.bytes);
      if (total === undefined && event.size !== undefined) total = event.size;
      draw(event.kind === 'complete');
    },
    end: clear,
  };
}

/** `[#####     ]  50 %  6.0 of 12.0 MB`, one column short of the terminal's width. */
export function barText(bytes: number, total: number | undefined, columns: number): string {
  if (total === undefined || total === 0) return `fetched ${megabytes(bytes)}`;
  const share = Math.min(1, bytes / total);
  const text = `${String(Math.floor(share * 100)).padStart(3)} %  ${(bytes / 1e6).toFixed(1)} of ${megabytes(total)}`;
  const width = Math.min(40, columns - text.length - 5);
  if (width < 5) return text.slice(0, columns - 1);
  const filled = Math.floor(share * width);
  return `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${text}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
