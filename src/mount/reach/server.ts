import { askAll } from './ask-all.ts';
import type { Inquiry } from './inquiry.ts';
import type { Answer } from './refusal.ts';
import { resolveServer } from './resolve.ts';

/** Asks at every address of the server: the helper tries them all, so all have to refuse. */
export async function askServer(
  server: string,
  askAddress: (address: string, inquiry: Inquiry) => Promise<Answer>,
  inquiry: Inquiry,
): Promise<Answer> {
  const resolved = await resolveServer(server, inquiry);
  if (resolved === undefined || 'kind' in resolved) return resolved;
  return askAll(resolved, inquiry, askAddress);
}
