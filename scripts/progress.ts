import { ProgressLine, stderrColumns } from '../src/host/progress-line.ts';

const line = new ProgressLine((words) => process.stderr.write(words), stderrColumns());

/** What is at work, what began last at the end: there is one line for all of it. */
const works: string[] = [];

/**
 * Says on stderr how far `action` is, where it takes more than 2 s: at a terminal on a line that changes, elsewhere
 * every 10 s; stdout is for figures and digests. Its seconds are counted until it says more by itself.
 * @param text what it is, and how long it usually takes on a quiet machine of two processors.
 */
export async function withProgress<T>(text: string, action: (line: ProgressLine) => Promise<T>): Promise<T> {
  works.push(text);
  line.begin(text);
  try {
    return await action(line);
  } finally {
    works.splice(works.lastIndexOf(text), 1);
    line.end();
    const goesOn = works.at(-1);
    if (goesOn !== undefined) line.begin(goesOn);
  }
}

/** Asks `look` each second for what to say, as long as `action` is at work. */
export async function withLooks<T>(
  text: string,
  look: (seconds: number) => Promise<string>,
  action: () => Promise<T>,
): Promise<T> {
  return await withProgress(text, async () => {
    const began = performance.now();
    const timer = setInterval(async () => line.show(await look((performance.now() - began) / 1000)), 1000);
    try {
      return await action();
    } finally {
      clearInterval(timer);
    }
  });
}
