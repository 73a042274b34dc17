import { ProgressLine, stderrColumns } from '../src/host/progress-line.ts';

/**
 * Says on stderr how far `action` is, where it takes more than 2 s: at a terminal on a line that changes, elsewhere
 * every 10 s. Its seconds are counted until it says more by itself.
 */
export async function withProgress<T>(text: string, action: (line: ProgressLine) => Promise<T>): Promise<T> {
  const line = new ProgressLine((words) => process.stderr.write(words), stderrColumns());
  line.begin(text);
  try {
    return await action(line);
  } finally {
    line.end();
  }
}

/** Asks `look` each second for what to say, as long as `action` is at work. */
export async function withLooks<T>(
  text: string,
  look: (seconds: number) => Promise<string>,
  action: () => Promise<T>,
): Promise<T> {
  return await withProgress(text, async (line) => {
    const began = performance.now();
    const timer = setInterval(async () => line.show(await look((performance.now() - began) / 1000)), 1000);
    try {
      return await action();
    } finally {
      clearInterval(timer);
    }
  });
}
