import type { Host, Outcome } from '../../host/host.ts';
import type { Connection } from '../../host/mount-host.ts';
import { rootfsEntrance } from '../../rootfs/entrance.ts';
import type { MountContext } from '../context.ts';
import { AtOnce } from './at-once.ts';
import type { ProbeAnswer, Refusal } from './probe-failure.ts';

/** The questions to the network about one mount, and the limits that they share. */
export interface Inquiry {
  readonly context: MountContext;
  /** By the host's clock, in milliseconds: after it no question is begun. */
  readonly deadline: number;
  /** Aborted when the answer matters no more. */
  readonly over?: AbortSignal | undefined;
  readonly programs: AtOnce;
  readonly connections: AtOnce;
}

/** A program is a process of this node, and may resolve a name for seconds. */
const programsAtOnce = 8;

/** A connection is a descriptor. A server that is silent keeps it to the end: more than these cannot be told to be so. */
const connectionsAtOnce = 32;

/** @param limitMs for all its questions. */
export function newInquiry(context: MountContext, limitMs: number, over: AbortSignal | undefined): Inquiry {
  return {
    context,
    deadline: context.host.now() + limitMs,
    over,
    programs: new AtOnce(programsAtOnce),
    connections: new AtOnce(connectionsAtOnce),
  };
}

/**
 * For each question, also for one that begins shortly before the deadline: the kernel sends a SYN again after 1 s, and
 * one that was lost must not pass for a silent server. The most that an inquiry takes beyond its limit.
 */
export const leastMs = 1500;

/**
 * One question, when there is room for it.
 * @returns undefined where it was not asked any more, or could not be: that says nothing about the server.
 */
function question<T>(
  room: AtOnce,
  { context, deadline, over }: Inquiry,
  ask: (limitMs: number) => Promise<T>,
): Promise<T | undefined> {
  return room.run(async () => {
    const remainingMs = deadline - context.host.now();
    if (over?.aborted || remainingMs <= 0) return undefined;
    // Not left to whoever waits for all of them: the others would go on without anybody who ends them.
    return ask(Math.max(leastMs, remainingMs)).catch(() => undefined);
  });
}

/**
 * An rpcbind that lists services for ever would fill memory, or /run. In KiB, and blocks of 512 bytes; the longest answer
 * of a name server, 64 KiB, needs a tenth of it.
 */
const limits = 'ulimit -v 131072 && ulimit -f 4096 && exec "$@"';

/** Runs a program of the rootfs to its end or to that of the inquiry; libtirpc and resolver wait through SIGTERM. */
export function runInRootfs(argv: readonly string[], inquiry: Inquiry): Promise<Outcome | undefined> {
  const { host, layout } = inquiry.context;
  return question(inquiry.programs, inquiry, (deadlineMs) =>
    host.run({
      argv: ['sh', '-c', limits, 'sh', ...argv],
      inside: rootfsEntrance(layout.rootfs, host),
      deadlineMs,
      terminateMs: 0,
      signal: inquiry.over,
    }),
  );
}

/** In UTF-16 units. Of longer output Host keeps the end alone: an address that answers may be in what is lost. */
const wholeOutput = 60 * 1024;

export function isWhole({ output }: Outcome): boolean {
  return output.length < wholeOutput;
}

/** Whether a TCP port of the server can be reached at this address. */
export async function askPort(
  server: string,
  address: string,
  port: number,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  const { host } = inquiry.context;
  return question(inquiry.connections, inquiry, async (timeoutMs) => {
    const startedMs = host.now();
    const connection = await host.connect(address, port, { timeoutMs, signal: inquiry.over });
    const refusal = refusalOf(connection, address, host);
    return (
      refusal && {
        kind: 'unreachable',
        server,
        address,
        port,
        connection: refusal,
        waitedMs: host.now() - startedMs,
      }
    );
  });
}

/** A node without IPv6 is told apart from one without a route: the kernel says this or that, as it was turned off. */
function refusalOf(connection: Connection, address: string, host: Host): Refusal | undefined {
  if (connection === 'open' || connection === 'unknown') return undefined;
  if (connection !== 'noRoute' && connection !== 'noFamily') return connection;
  const isWithout = address.includes(':') && !hasIpv6(host);
  return isWithout ? 'noFamily' : connection === 'noRoute' ? connection : undefined;
}

/**
 * Whether an interface has an address of more than link-local scope, which is 20, or 10 for the node itself:
 *
 * ```
 * fd000009000000000000000000000001 02 40 00 80     eth0
 * ```
 * There is no such file where the kernel was started with IPv6 off.
 */
export function hasIpv6(host: Host): boolean {
  return /^[0-9a-f]{32} [0-9a-f]+ [0-9a-f]+ (?![12]0)/m.test(host.readText('/proc/net/if_inet6') ?? '');
}

/** A port number of an option; undefined for 0 and for what is none, both of which only the helper understands. */
export function portNumber(value: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(value) ? Number(value) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}
