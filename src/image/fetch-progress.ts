import { printable } from '../errors.ts';
import type { Output } from '../host/output.ts';
import { ProgressLine } from '../host/progress-line.ts';
import type { ProgressEvent } from './source.ts';

/** What is shown of an image on its way, on stderr: stdout is for the result. */
export interface FetchProgress {
  report(event: ProgressEvent): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/**
 * @param columns of the terminal, where a bar is drawn; undefined where stderr is none, and gets a line for each layer,
 *   and every 10 s.
 * @param isVerbose whether details are wanted.
 * @param now milliseconds.
 */
export function fetchProgress(
  output: Output,
  columns: number | undefined,
  isVerbose = false,
  now: () => number = () => performance.now(),
): FetchProgress {
  const line = new ProgressLine((text) => output.err(text), columns, now);
  const arrived = new Arrived(now);
  const barOf = ({ bytes, total, rate }: Amount) =>
    columns === undefined
      ? `fetched ${amountText(bytes, total, rate)}`
      : barText(bytes, total, columns, rate);
  const report = (event: ProgressEvent): void => {
    switch (event.kind) {
      case 'resolved':
        if (event.blobs.length === 0) return;
        arrived.total = event.totalBytes;
        if (columns !== undefined) return;
        line.say(`fetching ${event.digest}: ${megabytes(event.totalBytes)} in ${event.blobs.length} blobs`);
        return;
      case 'received':
        line.show(barOf(arrived.add(event.blob, event.bytes, event.size)));
        return;
      case 'complete': {
        const amount = arrived.add(event.blob, event.size, event.size);
        if (columns !== undefined) line.show(barOf(amount), true);
        else line.say(`${event.isFromDisk ? 'had' : 'fetched'} ${event.blob}: ${megabytes(event.size)}`);
        return;
      }
      case 'unpacked':
        // Layers are unpacked while others arrive, which takes longer.
        if (!arrived.isAll) return;
        line.show(`unpacked ${amountText(event.bytes, event.totalBytes, undefined)}`);
        return;
      case 'step':
        line.begin(event.text);
        return;
      case 'retry':
        // A server says some of it, in its certificate for instance.
        line.say(printable(event.message));
        return;
      case 'detail':
        if (isVerbose) line.say(printable(event.message));
        return;
      default:
        event satisfies never;
    }
  };
  return { report, end: () => line.end() };
}

interface Amount {
  readonly bytes: number;
  readonly total: number | undefined;
  /** Bytes in a second; undefined before there is one. */
  readonly rate: number | undefined;
}

/** What has come of all blobs. */
class Arrived {
  total: number | undefined;
  readonly #now: () => number;
  readonly #received = new Map<string, number>();
  #began: { readonly at: number; readonly bytes: number } | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(blob: string, bytes: number, size: number | undefined): Amount {
    this.#received.set(blob, bytes);
    this.total ??= size;
    this.#began ??= { at: this.#now(), bytes: this.#bytes };
    const seconds = (this.#now() - this.#began.at) / 1000;
    const rate = seconds < 1 ? undefined : Math.max(0, this.#bytes - this.#began.bytes) / seconds;
    return { bytes: this.#bytes, total: this.total, rate };
  }

  get #bytes(): number {
    return [...this.#received.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Also where nothing was to come. */
  get isAll(): boolean {
    return this.total === undefined || this.#bytes >= this.total;
  }
}

/** `[#####     ]  50 %  6.0 of 12.0 MB  1.5 MB/s`, one column short of the terminal's width. */
export function barText(bytes: number, total: number | undefined, columns: number, rate?: number): string {
  const text = amountText(bytes, total, rate);
  if (total === undefined || total === 0) return `fetched ${text}`;
  const width = Math.min(40, columns - text.length - 5);
  if (width < 5) return text.slice(0, columns - 1);
  const filled = Math.floor(Math.min(1, bytes / total) * width);
  return `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${text}`;
}

function amountText(bytes: number, total: number | undefined, rate: number | undefined): string {
  const speed = rate === undefined ? '' : `  ${rateText(rate)}`;
  if (total === undefined || total === 0) return `${megabytes(bytes)}${speed}`;
  const percent = Math.floor(Math.min(1, bytes / total) * 100);
  return `${String(percent).padStart(3)} %  ${(bytes / 1e6).toFixed(1)} of ${megabytes(total)}${speed}`;
}

function rateText(rate: number): string {
  return rate < 1e5 ? `${(rate / 1e3).toFixed(1)} kB/s` : `${megabytes(rate)}/s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
