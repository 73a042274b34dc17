import type { Outcome } from '../../host/host.ts';
import { rootfsEntry } from '../../rootfs/enter.ts';
import type { MountContext } from '../context.ts';
import type { Answer } from './refusal.ts';

/** The questions to the network about one mount, and the limit that they share. */
export interface Inquiry {
  readonly context: MountContext;
  /** By the host's clock, in milliseconds. */
  readonly deadline: number;
  /** Aborted when the answer matters no more. */
  readonly over?: AbortSignal | undefined;
}

/**
 * For each question, also when the ones before took all of the time: the kernel sends a SYN again after 1 s, and
 * one that was lost must not pass for a silent server.
 */
const leastMs = 1500;

export function remainingMs({ context, deadline }: Inquiry): number {
  return Math.max(leastMs, deadline - context.host.now());
}

/** Runs a program of the rootfs to its end or to that of the inquiry; libtirpc and resolver wait through SIGTERM. */
export function runInRootfs(argv: readonly string[], inquiry: Inquiry): Promise<Outcome> {
  const { host, layout } = inquiry.context;
  return host.run({
    argv,
    inside: rootfsEntry(layout.rootfs, host),
    deadlineMs: remainingMs(inquiry),
    terminateMs: 0,
    signal: inquiry.over,
  });
}

/** Whether a TCP port of the server can be reached at this address. */
export async function askPort(
  server: string,
  address: string,
  port: number,
  inquiry: Inquiry,
): Promise<Answer> {
  const { host } = inquiry.context;
  const startedMs = host.now();
  const limits = { timeoutMs: remainingMs(inquiry), signal: inquiry.over };
  const connection = await host.connect(address, port, limits);
  if (connection === 'open' || connection === 'unknown') return undefined;
  return { kind: 'unreachable', server, address, port, connection, waitedMs: host.now() - startedMs };
}

/** A port number of an option; undefined for 0 and for what is none, both of which only the helper understands. */
export function portNumber(value: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(value) ? Number(value) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}
