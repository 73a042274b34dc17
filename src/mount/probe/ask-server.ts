import { askAll } from './ask-all.ts';
import type { Inquiry } from './inquiry.ts';
import type { ProbeAnswer } from './probe-failure.ts';
import { resolveServer } from './resolve.ts';

/** Asks at every address of the server: the helper tries them all, so all have to refuse. */
export async function askServer(
  server: string,
  askAddress: (address: string, inquiry: Inquiry) => Promise<ProbeAnswer>,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  const resolved = await resolveServer(server, inquiry);
  if (resolved === undefined || 'kind' in resolved) return resolved;
  return askAll(resolved, inquiry, askAddress);
}
