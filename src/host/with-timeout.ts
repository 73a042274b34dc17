/** @returns undefined when it takes longer. @throws what `promise` rejects with. */
export async function withTimeout<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
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
