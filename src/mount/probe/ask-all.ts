import type { Inquiry } from './inquiry.ts';
import { type ProbeAnswer, whenAllRefuse } from './probe-failure.ts';

/**
 * The refusal where every one of `subjects` refuses: servers, addresses, ways. Once one does not, nothing can be
 * refused any more, and what is still being asked is broken off.
 */
export async function askAll<T>(
  subjects: readonly T[],
  inquiry: Inquiry,
  ask: (subject: T, inquiry: Inquiry) => Promise<ProbeAnswer>,
): Promise<ProbeAnswer> {
  const [only, ...more] = subjects;
  if (only !== undefined && more.length === 0) return ask(only, inquiry);
  const over = new AbortController();
  const end = () => over.abort();
  if (inquiry.over?.aborted) end();
  inquiry.over?.addEventListener('abort', end);
  const part = { ...inquiry, over: over.signal };
  const answers = subjects.map(async (subject) => {
    const answer = await ask(subject, part);
    if (answer === undefined) end();
    return answer;
  });
  try {
    return whenAllRefuse(await Promise.all(answers));
  } finally {
    inquiry.over?.removeEventListener('abort', end);
  }
}
