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
    }
  /** The server's rpcbind answers, and does not know the service. */
  | { readonly kind: 'notRegistered'; readonly server: string; readonly service: 'nfs' | 'mountd' };

export type Refusal = Exclude<Connection, 'open' | 'unknown'>;

/** Undefined: nothing speaks against the mount, or nobody can tell. */
export type ProbeAnswer = ProbeFailure | undefined;

/** The refusal where every one of `answers` is one: that which says most about the server. */
export function whenAllRefuse(answers: readonly ProbeAnswer[]): ProbeAnswer {
  const refusals = answers.filter((answer) => answer !== undefined);
  if (refusals.length < answers.length) return undefined;
  return refusals.toSorted((a, b) => rank(a) - rank(b))[0];
}

/** The refusal where at least one is needed that is none. */
export function whenAnyRefuses(answers: readonly ProbeAnswer[]): ProbeAnswer {
  return whenAllRefuse(answers.filter((answer) => answer !== undefined));
}

/** A server that refuses is there; one that is silent may be; without a route nobody knows. */
function rank(probeFailure: ProbeFailure): number {
  if (probeFailure.kind !== 'unreachable') return probeFailure.kind === 'unresolved' ? 4 : 1;
  return refusalRanks[probeFailure.connection];
}

export const refusalRanks: Readonly<Record<Refusal, number>> = {
  refused: 0,
  forbidden: 2,
  silent: 2,
  noRoute: 3,
  noFamily: 3,
};
