import { hasIpv6, type Inquiry, isWhole, runInRootfs } from './inquiry.ts';
import {
  attemptsOf,
  ipVersionOf,
  type ProbeAnswer,
  type ProbeFailure,
  whenAllRefuse,
} from './probe-failure.ts';

/**
 * How a helper that can be told a family of addresses goes through those of a name by itself: IPv4 alone; or all in
 * their order, in which one that is silent keeps it for longer than a mount may take.
 */
export type AddressChoice = 'IPv4' | 'inOrder';

/**
 * Asks at every address of the server: the helper tries them all, so all have to refuse.
 * @param choice undefined where the helper cannot be told another.
 */
export async function askServer(
  server: string,
  askAddress: AskAddress,
  inquiry: Inquiry,
  choice?: AddressChoice,
): Promise<ProbeAnswer> {
  const resolved = await resolveServer(server, inquiry);
  if (resolved === undefined || 'kind' in resolved) return resolved;
  const ownVersion = choice === 'IPv4' ? 4 : ipVersionOf(resolved[0] ?? '');
  const own = resolved.filter((address) => ipVersionOf(address) === ownVersion);
  const other = resolved.filter((address) => !own.includes(address));
  if (choice === undefined || other.length === 0 || isAddress(server))
    return askAll(resolved, inquiry, askAddress);
  return askFamilies(server, { own, other, isHeldUpAlone: choice === 'inOrder' }, askAddress, inquiry);
}

type AskAddress = (address: string, inquiry: Inquiry) => Promise<ProbeAnswer>;

interface Families {
  /** Those that the helper begins with; there may be none. */
  readonly own: readonly string[];
  readonly other: readonly string[];
  /** It goes on to the others by itself, unless one of its own is silent. */
  readonly isHeldUpAlone: boolean;
}

function askFamilies(
  server: string,
  { own, other, isHeldUpAlone }: Families,
  askAddress: AskAddress,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  return asPart(inquiry, async (part, end) => {
    const asked = askAll(other, part, askAddress);
    const refusal = await askAll(own, inquiry, askAddress);
    if (own.length > 0 && refusal === undefined) end();
    const otherRefusal = await asked;
    if (part.over?.aborted) return undefined;
    if (otherRefusal !== undefined)
      return whenAllRefuse(own.length > 0 ? [refusal, otherRefusal] : [otherRefusal]);
    const others = attemptsOf(refusal);
    if (isHeldUpAlone && !others.some(({ connection }) => connection === 'silent')) return undefined;
    return { kind: 'otherFamily', server, family: ipVersionOf(other[0] ?? ''), others };
  });
}

/** The refusal where every one of `subjects` refuses. Once one does not, what is still being asked is broken off. */
export async function askAll<T>(
  subjects: readonly T[],
  inquiry: Inquiry,
  ask: (subject: T, inquiry: Inquiry) => Promise<ProbeAnswer>,
): Promise<ProbeAnswer> {
  const [only, ...more] = subjects;
  if (only !== undefined && more.length === 0) return ask(only, inquiry);
  return asPart(inquiry, async (part, end) => {
    const answers = subjects.map(async (subject) => {
      const answer = await ask(subject, part);
      if (answer === undefined) end();
      return answer;
    });
    return whenAllRefuse(await Promise.all(answers));
  });
}

/** A part of an inquiry that can be broken off by itself. */
async function asPart<T>(inquiry: Inquiry, ask: (part: Inquiry, end: () => void) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const end = () => over.abort();
  if (inquiry.over?.aborted) end();
  inquiry.over?.addEventListener('abort', end);
  try {
    return await ask({ ...inquiry, over: over.signal }, end);
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
  const getent = (...words: readonly string[]) => runInRootfs(['getent', ...words, server], inquiry);
  const first = await getent('ahosts');
  // A node without IPv6 is not told of such addresses; a server that has no other is there all the same.
  const isHidden = first?.endedBy === 'itself' && first.status === notFound && !hasIpv6(host);
  const all = isHidden ? await getent('--no-addrconfig', 'ahosts') : undefined;
  const outcome = all?.status === 0 ? all : first;
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

export function isAddress(server: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(server) || server.includes(':');
}
