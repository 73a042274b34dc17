const patienceMs = 2000;

/**
 * Does `work`, and says what it is where it is not done at once: nobody waits for long without knowing what for.
 * @param usual how long it takes on a quiet machine of two processors.
 */
export async function stage<T>(what: string, usual: string, work: () => Promise<T>): Promise<T> {
  // stdout is for figures and digests.
  const timer = setTimeout(() => process.stderr.write(`… ${what}, usually ${usual}\n`), patienceMs);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}
