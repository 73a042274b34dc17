/** A record that takes longer than this goes without the line: a mount waits for nothing that it can do without. */
const usualLimitMs = 100;

/** @returns undefined when it takes longer. @throws what `promise` rejects with. */
export async function withTimeout<T>(promise: Promise<T>, limitMs = usualLimitMs): Promise<T | undefined> {
  let timeout: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timeout = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timeout);
  }
}
