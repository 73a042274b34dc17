import { type Inquiry, isWhole, runInRootfs } from '../../probe/inquiry.ts';

/** A service as the server's rpcbind lists it; of every transport and version one. */
export interface Registration {
  readonly program: number;
  readonly version: number;
  readonly transport: string;
  readonly port: number;
}

/** @see rpc(5) */
export const rpcProgram = { nfs: 100003, mountd: 100005 } as const;

/** @returns undefined when the rpcbind there does not say: no answer, none for us, or IPv6, which `rpcinfo -p` cannot. */
export async function registrationsAt(
  address: string,
  inquiry: Inquiry,
): Promise<readonly Registration[] | undefined> {
  if (address.includes(':')) return undefined;
  const outcome = await runInRootfs(['rpcinfo', '-p', address], inquiry);
  if (outcome?.status !== 0 || outcome.endedBy !== 'itself' || !isWhole(outcome)) return undefined;
  return parseRegistrations(outcome.output);
}

/**
 * ```
 *    program vers proto   port  service
 *     100003    3   tcp   2049  nfs
 * ```
 */
export function parseRegistrations(text: string): readonly Registration[] {
  return [...text.matchAll(/^ *(\d+) +(\d+) +(\S+) +(\d+)/gm)].map(
    ([, program, version, transport = '', port]) => ({
      program: Number(program),
      version: Number(version),
      transport,
      port: Number(port),
    }),
  );
}
