import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { newInquiry, runInRootfs } from './inquiry.ts';
import type { KerberosReason, ProbeAnswer } from './probe-failure.ts';

/** What libkrb5 says where kinit(1) or kvno(1) fail: lib/krb5/error_tables/krb5_err.et, and messages with names in them. */
const wordings: readonly (readonly [RegExp, KerberosReason])[] = [
  [/^no keytab/, 'noKeytab'],
  [/^no suitable key|no suitable keys for|Key table entry not found/, 'noKey'],
  [/kinit: Client .* not found in Kerberos database/, 'unknownPrincipal'],
  [/Preauthentication failed|Decrypt integrity check failed|Password incorrect/, 'wrongKey'],
  [/expired|Password has expired|credentials have been revoked/i, 'expired'],
  [/Clock skew too great|Ticket not yet valid/, 'skew'],
  [/no answer|Cannot contact any KDC/, 'silentKdc'],
  [
    /Cannot (find|resolve).* KDC|default realm|not local to KDC|Resource temporarily unavail|Name or service/,
    'unknownKdc',
  ],
  [/(Server|Service) .* not found in Kerberos database/, 'unknownServer'],
  [/: nfs\/\S+: kvno = \d+/, 'refused'],
];

/**
 * Why a mount with `sec=krb5` gets no ticket, as the node and the KDC have it; the helper has no words for that. `refused`
 * where it gets one.
 * @param limitMs for all of it; the KDC is silent where it takes longer.
 */
export async function askKerberos(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<ProbeAnswer> {
  const [server] = plan.servers ?? [];
  if (server === undefined || !isKerberos(plan)) return undefined;
  const argv = [context.manifest.daemons.startStatd, 'try-kerberos', server];
  const outcome = await runInRootfs(argv, newInquiry(context, limitMs, over));
  if (outcome === undefined || outcome.endedBy === 'interrupt') return undefined;
  const said = outcome.output.trim();
  const words = said.split('\n').at(-1) ?? '';
  const principal = /^(\S+@\S+): /.exec(said)?.[1];
  const found =
    outcome.endedBy === 'itself' ? wordings.find(([pattern]) => pattern.test(said))?.[1] : 'silentKdc';
  return { kind: 'kerberos', server, reason: found ?? 'other', principal, words };
}

export function isKerberos(plan: MountPlan): boolean {
  return plan.driver.securityNeeds(plan).includes('kerberos');
}
