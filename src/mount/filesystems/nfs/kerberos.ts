import type { ErrorClass } from '../../../errors.ts';
import type { MountContext } from '../../context.ts';
import { newInquiry, runInRootfs } from '../../probe/inquiry.ts';
import type { ServiceFinding } from '../../probe/probe-failure.ts';
import type { Asked, MountService } from '../filesystem-driver.ts';
import { word } from '../hints.ts';
import { nfsServer } from './source.ts';

/** Mounts with sec=krb5, krb5i or krb5p: why they get no ticket. The kernel and mount.nfs have no words for that. */

export function kerberosService({ source }: Asked, context: MountContext): MountService {
  const server = nfsServer(source) ?? '';
  return {
    // The kernel waits for rpc.gssd, and that for a KDC. A server that takes its time with a ticket is no reason.
    watch: async (over) => {
      const limitMs = context.manifest.limits.connectSeconds * 1000;
      const found = await askForTicket(server, limitMs, context, over);
      return found === undefined || found.hasTicket ? undefined : { kind: 'service', server, ...found };
    },
    settle: async () => {},
    said: () => '',
    explain: async ({ errorClass, limitMs }) =>
      ofKerberos.has(errorClass) ? askForTicket(server, limitMs, context).catch(() => undefined) : undefined,
  };
}

/** What mount.nfs makes of a ticket that cannot be had, or is not taken. */
const ofKerberos: ReadonlySet<ErrorClass> = new Set(['access-denied', 'bad-option', 'node', 'unknown']);

interface TicketFinding extends ServiceFinding {
  /** There is one for the server, which refuses all the same. */
  readonly hasTicket: boolean;
}

/**
 * What the node and the KDC have to say of a ticket for the server.
 * @param limitMs for all of it; the KDC is silent where it takes longer.
 */
async function askForTicket(
  server: string,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<TicketFinding | undefined> {
  const argv = [context.manifest.daemons.startStatd, 'try-kerberos', server];
  const outcome = await runInRootfs(argv, newInquiry(context, limitMs, over));
  if (outcome === undefined || outcome.endedBy === 'interrupt') return undefined;
  const said = outcome.output.trim();
  const fault = outcome.endedBy === 'itself' ? faults.find(({ words }) => words.test(said)) : silentKdc;
  const principal = /^(\S+@\S+): /.exec(said)?.[1];
  const facts = { server, principal, lastWords: said.split('\n').at(-1) ?? '' };
  const { why, hint } = fault ?? other;
  return { errorClass: 'kerberos', why: why(facts), hint: hint(facts), hasTicket: fault === refused };
}

interface Facts {
  readonly server: string;
  /** The node's own, of which a key was tried. */
  readonly principal: string | undefined;
  /** Of kinit(1) or kvno(1). */
  readonly lastWords: string;
}

interface Fault {
  readonly why: (facts: Facts) => string;
  readonly hint: (facts: Facts) => string;
}

/** What libkrb5 says where kinit(1) or kvno(1) fail: lib/krb5/error_tables/krb5_err.et, and messages with names in them. */
interface SaidFault extends Fault {
  readonly words: RegExp;
}

const nodeOr = (principal = 'this node') => principal;

const giveKeytab = () =>
  'put a keytab with the key of nfs/HOST at /etc/krb5.keytab, mode 0600, or name its place as security.krb5.keytab in node-settings.json, then run mounter prepare; or use sec=sys, where the server takes it';

const renewKey = ({ principal = 'nfs/HOST' }: Facts) =>
  `run kadmin -q ${word(`ktadd -k /etc/krb5.keytab ${principal}`)} on this node, or have the KDC give the principal back; mounter exec -- klist -k /proc/1/root/etc/krb5.keytab shows the keys`;

const seeServer = ({ server }: Facts) =>
  `run exportfs -v on ${word(server)}: the directory has to have this sec=; there, rpc.svcgssd or gssproxy has to run, with the key of nfs/${word(server)} in its keytab, and the clocks have to agree`;

const silentKdc: SaidFault = {
  words: /no answer|Cannot contact any KDC/,
  why: ({ principal }) => `the KDC of ${nodeOr(principal)} does not answer`,
  hint: () =>
    'see whether the KDC that /etc/krb5.conf names is up, and whether a firewall drops port 88, UDP and TCP, from this node',
};

const refused: SaidFault = {
  words: /: nfs\/\S+: kvno = \d+/,
  why: ({ principal, server }) =>
    `${nodeOr(principal)} has a ticket for nfs/${server}, which the server does not take for this directory`,
  hint: seeServer,
};

const other: Fault = { why: ({ lastWords }) => `no ticket could be had: ${lastWords}`, hint: seeServer };

/** The first that was said counts. */
const faults: readonly SaidFault[] = [
  {
    words: /^no keytab/,
    why: () => 'this node has no keytab, and so no ticket for sec=krb5',
    hint: giveKeytab,
  },
  {
    words: /^no suitable key|no suitable keys for|Key table entry not found/,
    why: () => 'the keytab of this node has no key of nfs/HOST, host/HOST, root/HOST or HOST$',
    hint: giveKeytab,
  },
  {
    words: /kinit: Client .* not found in Kerberos database/,
    why: ({ principal }) =>
      `the KDC does not know ${nodeOr(principal)}, which the keytab of this node has a key of`,
    hint: renewKey,
  },
  {
    words: /Preauthentication failed|Decrypt integrity check failed|Password incorrect/,
    why: ({ principal }) =>
      `the KDC does not take the key of ${nodeOr(principal)} that the keytab of this node has`,
    hint: renewKey,
  },
  {
    words: /expired|credentials have been revoked/i,
    why: ({ principal }) => `the ticket, the password or the account of ${nodeOr(principal)} has expired`,
    hint: renewKey,
  },
  {
    words: /Clock skew too great|Ticket not yet valid/,
    why: () => 'the clock of this node is not that of the KDC',
    hint: () => 'set the clock of this node by NTP, as those of the KDC and the server; date -u shows it',
  },
  silentKdc,
  {
    words:
      /Cannot (find|resolve).* KDC|default realm|not local to KDC|Resource temporarily unavail|Name or service/,
    why: ({ principal, server }) =>
      `no KDC is known for the realm of ${nodeOr(principal)} or of ${server}, or its name does not resolve`,
    hint: () =>
      "name the realm's KDC in [realms] of /etc/krb5.conf, and in [domain_realm] whose realm the server is of",
  },
  {
    words: /(Server|Service) .* not found in Kerberos database/,
    why: ({ server }) => `the KDC does not know nfs/${server}`,
    hint: ({ server }) =>
      `name the server as its principal has it, or make one: kadmin -q ${word(`addprinc -randkey nfs/${server}`)}, with its key in the keytab of the server`,
  },
  refused,
];
