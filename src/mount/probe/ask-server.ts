import { type Inquiry, isWhole, runInRootfs } from './inquiry.ts';
import { type ProbeAnswer, type ProbeFailure, whenAllRefuse } from './probe-failure.ts';

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

/** The refusal where every one of `subjects` refuses. Once one does not, what is still being asked is broken off. */
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

/**
 * The addresses of a server's name, as the rootfs resolves it: its resolv.conf, nsswitch.conf and hosts are the
 * helper's, and not the node's. The limit is ours, whatever resolv.conf says of attempts and timeouts.
 * @returns the name itself when it is an address, a refusal when it has none, undefined when nobody can tell.
 */
export async function resolveServer(
  server: string,
  inquiry: Inquiry,
): Promise<readonly string[] | ProbeFailure | undefined> {
  if (isAddress(server)) return [server];
  if (!/^[A-Za-z0-9_]/.test(server)) return undefined;
  const { host } = inquiry.context;
  const startedMs = host.now();
  const outcome = await runInRootfs(['getent', 'ahosts', server], inquiry);
  if (outcome === undefined) return undefined;
  const { status, endedBy, output } = outcome;
  const isSilent = endedBy === 'deadline';
  if (isSilent || (endedBy === 'itself' && status === notFound))
    return { kind: 'unresolved', server, isSilent, waitedMs: host.now() - startedMs };
  return endedBy === 'itself' && status === 0 && isWhole(outcome) ? addressesOf(output) : undefined;
}

/** getent(1): "One or more supplied keys could not be found in the database". */
const notFound = 2;

/**
 * One address a line, once for each type of socket:
 *
 * ```
 * 10.9.0.1        STREAM nfs.default.svc.cluster.local
 * 10.9.0.1        DGRAM
 * ```
 */
function addressesOf(output: string): readonly string[] | undefined {
  const addresses = output.split('\n').flatMap((line) => /^(\S+)\s+STREAM\b/.exec(line)?.[1] ?? []);
  return addresses.length === 0 ? undefined : [...new Set(addresses)];
}

function isAddress(server: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(server) || server.includes(':');
}
