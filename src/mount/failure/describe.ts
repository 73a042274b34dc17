import type { ErrorClass } from '../../errors.ts';
import type { Attempt, ProbeFailure, Refusal } from '../probe/probe-failure.ts';

/** A refusal in the terms of an error: its class, and a sentence without its full stop. */
export function describeProbeFailure(probeFailure: ProbeFailure): Description {
  const described = describeOwn(probeFailure);
  const { foundMsAgo } = probeFailure;
  if (foundMsAgo === undefined) return described;
  return {
    ...described,
    sentence: `${described.sentence} (found ${seconds(foundMsAgo)} s ago by another call)`,
  };
}

interface Description {
  readonly errorClass: ErrorClass;
  readonly sentence: string;
}

function describeOwn(probeFailure: ProbeFailure): Description {
  switch (probeFailure.kind) {
    case 'unresolved':
      return {
        errorClass: 'name-resolution',
        sentence: probeFailure.isSilent
          ? `the name ${probeFailure.server} does not resolve: no name server answered within ${seconds(probeFailure.waitedMs)} s`
          : `the name ${probeFailure.server} does not resolve: no name server gave an address for it`,
      };
    case 'unreachable':
      return withOthers(unreachable(probeFailure), probeFailure.others ?? []);
    case 'otherFamily':
      return withOthers(
        {
          errorClass: 'no-route',
          sentence: `the server ${probeFailure.server} can be reached by IPv${probeFailure.family} alone`,
        },
        probeFailure.others,
      );
    case 'notRegistered':
      return {
        errorClass: 'version-not-offered',
        sentence:
          probeFailure.service === 'nfs'
            ? `the server ${probeFailure.server} does not offer NFSv3: its rpcbind does not know it`
            : `the server ${probeFailure.server} does not offer NFSv3 mounts: its rpcbind knows no mountd`,
      };
    case 'service':
      return { errorClass: probeFailure.errorClass, sentence: probeFailure.why };
    default:
      return probeFailure satisfies never;
  }
}

/** Each with what came of it: dual stack fails in two ways. */
function withOthers({ errorClass, sentence }: Description, others: readonly Attempt[]): Description {
  if (others.length === 0) return { errorClass, sentence };
  const tried = others.map(
    ({ address, port, connection }) => `${address} (${attemptWords[connection]}, TCP port ${port})`,
  );
  return { errorClass, sentence: `${sentence}; also tried: ${tried.join(', ')}` };
}

const attemptWords: Readonly<Record<Refusal, string>> = {
  refused: 'refused',
  forbidden: 'forbidden by this node',
  silent: 'silent',
  noRoute: 'no route',
  noFamily: 'this node has no IPv6 address',
};

function unreachable({
  server,
  address,
  port,
  connection,
  waitedMs,
}: Extract<ProbeFailure, { kind: 'unreachable' }>): Description {
  const where = server === address ? server : `${server} (${address})`;
  switch (connection) {
    case 'refused':
      return {
        errorClass: 'connection-refused',
        sentence: `the server ${where} refuses connections to TCP port ${port}`,
      };
    case 'noRoute':
      return { errorClass: 'no-route', sentence: `there is no route to the server ${where}` };
    case 'forbidden':
      return {
        errorClass: 'no-route',
        sentence: `this node itself forbids connections to the server ${where}, TCP port ${port}`,
      };
    case 'noFamily':
      return {
        errorClass: 'no-route',
        sentence: `the server ${where} was asked for by IPv6, and this node has no IPv6 address`,
      };
    case 'silent':
      return {
        errorClass: 'server-silent',
        sentence: `the server ${where} does not answer at TCP port ${port} within ${seconds(waitedMs)} s`,
      };
    default:
      return connection satisfies never;
  }
}

function seconds(milliseconds: number): string {
  return String(Math.round(milliseconds / 100) / 10);
}
