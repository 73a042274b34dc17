import type { ErrorClass } from '../../errors.ts';
import type { Connection } from '../../host/mount-host.ts';

/** Why a mount can come to nothing, as it was found while the helper still waited. */
export type ProbeFailure = Finding & {
  /** Another call has found it, so many milliseconds ago. */
  readonly foundMsAgo?: number;
};

export type Finding =
  /** The name has no address; silent: no name server answered in that time. */
  | {
      readonly kind: 'unresolved';
      readonly server: string;
      readonly isSilent: boolean;
      readonly waitedMs: number;
    }
  | {
      readonly kind: 'unreachable';
      readonly server: string;
      readonly address: string;
      readonly port: number;
      readonly connection: Refusal;
      readonly waitedMs: number;
      /** Of other addresses, or servers, what came of them: `attemptsShown` at most. */
      readonly others?: readonly Attempt[];
    }
  /** The helper can come to nothing by itself, and can by this family of addresses. */
  | {
      readonly kind: 'otherFamily';
      readonly server: string;
      readonly family: IpVersion;
      /** What came of those of the other family; empty where there is none. */
      readonly others: readonly Attempt[];
    }
  /** A daemon of this node cannot come to an end with the server. */
  | ({ readonly kind: 'service'; readonly server: string } & ServiceFinding)
  /** The server's rpcbind answers, and does not know the service. */
  | { readonly kind: 'notRegistered'; readonly server: string; readonly service: 'nfs' | 'mountd' };

/** What a daemon of this node knows of a mount that fails. */
export interface ServiceFinding {
  readonly errorClass: ErrorClass;
  readonly why: string;
  readonly hint: string;
}

export type OtherFamily = Extract<ProbeFailure, { kind: 'otherFamily' }>;

export interface Attempt {
  readonly address: string;
  readonly port: number;
  readonly connection: Refusal;
}

/** An event of a Pod has room for about as many. */
const attemptsShown = 4;

export type IpVersion = 4 | 6;

export function ipVersionOf(address: string): IpVersion {
  return address.includes(':') ? 6 : 4;
}

export type Refusal = Exclude<Connection, 'open' | 'unknown'>;

/** Undefined: nothing speaks against the mount, or nobody can tell. */
export type ProbeAnswer = ProbeFailure | undefined;

/** The refusal where every one of `answers` is one: that which says most about the server, with the others. */
export function whenAllRefuse(answers: readonly ProbeAnswer[]): ProbeAnswer {
  const refusals = answers.filter((answer) => answer !== undefined);
  if (refusals.length < answers.length) return undefined;
  const [first, ...rest] = refusals.toSorted((a, b) => rank(a) - rank(b));
  if (first?.kind !== 'unreachable') return first;
  const { others: _, ...own } = first;
  const others = [first, ...rest].flatMap(attemptsOf).filter(({ address }) => address !== own.address);
  return others.length === 0 ? own : { ...own, others: others.slice(0, attemptsShown) };
}

/** All that was tried, and failed. */
export function attemptsOf(probeFailure: ProbeFailure | undefined): readonly Attempt[] {
  if (probeFailure?.kind !== 'unreachable') return [];
  const { address, port, connection, others = [] } = probeFailure;
  return [{ address, port, connection }, ...others];
}

/** The refusal where at least one is needed that is none. */
export function whenAnyRefuses(answers: readonly ProbeAnswer[]): ProbeAnswer {
  return whenAllRefuse(answers.filter((answer) => answer !== undefined));
}

/** A server that refuses is there; one that is silent may be; without a route nobody knows. */
function rank(probeFailure: ProbeFailure): number {
  if (probeFailure.kind === 'unreachable') return refusalRanks[probeFailure.connection];
  return { otherFamily: -1, service: 0, notRegistered: 1, unresolved: 4 }[probeFailure.kind];
}

export const refusalRanks: Readonly<Record<Refusal, number>> = {
  refused: 0,
  forbidden: 2,
  silent: 2,
  noRoute: 3,
  noFamily: 3,
};
