import type { ErrorClass } from '../../error-class.ts';
import type { Refusal } from '../reach/refusal.ts';

/** A refusal in the terms of an error: its class, and a sentence without its full stop. */
export function describeRefusal(refusal: Refusal): Description {
  const described = describeFinding(refusal);
  const { foundMsAgo } = refusal;
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

function describeFinding(refusal: Refusal): Description {
  switch (refusal.kind) {
    case 'unresolved':
      return {
        errorClass: 'name-resolution',
        sentence: refusal.isSilent
          ? `the name ${refusal.server} does not resolve: no name server answered within ${seconds(refusal.waitedMs)} s`
          : `the name ${refusal.server} does not resolve: no name server gave an address for it`,
      };
    case 'unreachable':
      return unreachable(refusal);
    case 'notRegistered':
      return {
        errorClass: 'version-not-offered',
        sentence:
          refusal.service === 'nfs'
            ? `the server ${refusal.server} does not offer NFSv3: its rpcbind does not know it`
            : `the server ${refusal.server} does not offer NFSv3 mounts: its rpcbind knows no mountd`,
      };
    default:
      return refusal satisfies never;
  }
}

function unreachable({
  server,
  address,
  port,
  connection,
  waitedMs,
}: Extract<Refusal, { kind: 'unreachable' }>): Description {
  const where = server === address ? server : `${server} (${address})`;
  switch (connection) {
    case 'refused':
      return {
        errorClass: 'connection-refused',
        sentence: `the server ${where} refuses connections to TCP port ${port}`,
      };
    case 'noRoute':
      return { errorClass: 'no-route', sentence: `there is no route to the server ${where}` };
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
