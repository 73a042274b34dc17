import type { ErrorClass } from '../../../errors.ts';
import { parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import { newInquiry, runInRootfs } from '../../probe/inquiry.ts';
import type { ServiceFinding } from '../../probe/probe-failure.ts';
import type { Asked, MountService } from '../filesystem-driver.ts';
import { word } from '../hints.ts';
import { nfsServer } from './source.ts';

/** Mounts with sec=krb5, krb5i or krb5p: why they get no ticket. The kernel and mount.nfs have no words for that. */

export function kerberosService({ source, options }: Asked, context: MountContext): MountService {
  const server = nfsServer(source) ?? '';
  const isAlone = !hasOtherFlavor(options);
  return {
    // The kernel waits for rpc.gssd, and that for a KDC. A server that takes its time with a ticket is no reason, nor is
    // a want of one with sec=sys:krb5.
    watch: async (over) => {
      if (!isAlone) return undefined;
      const limitMs = context.manifest.limits.connectSeconds * 1000;
      const found = await askForTicket(server, limitMs, context, over);
      return found === undefined || found.hasTicket ? undefined : { kind: 'service', server, ...found };
    },
    settle: async () => {},
    said: () => '',
    explain: async ({ errorClass, limitMs }) => {
      if (!ofKerberos.has(errorClass)) return undefined;
      const found = await askForTicket(server, limitMs, context).catch(() => undefined);
      if (found === undefined || isAlone) return found;
      if (found.hasTicket) return undefined;
      // With NFSv4 the kernel comes to sys after a krb5 that the server refuses, and not for want of a ticket.
      return { ...found, hint: `${found.hint}; or write sec=sys alone, if the server takes it` };
    },
  };
}

/** As `sec=krb5:sys` has one. */
function hasOtherFlavor(options: string): boolean {
  const asked = parseOptions(options).filter(({ name }) => name === 'sec');
  return asked.some(({ value = '' }) => value.split(':').some((one) => !/^krb5[ip]?$/.test(one)));
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
  const tried = parseTry(outcome.endedBy === 'itself' ? outcome.output : outcome.output + silent);
  const { principal, words, reason } = tried;
  const faults = faultsOf(server, tried, principal);
  const seeServer = `run exportfs -v on ${word(server)}: the directory has to have this sec=; there, rpc.svcgssd or gssproxy has to run, with the key of nfs/${word(server)} in its keytab, and the clocks have to agree`;
  const [pattern, why, hint = seeServer] = faults.find(([pattern]) => pattern.test(reason)) ?? [
    undefined,
    `no ticket could be had: ${words}`,
  ];
  return { errorClass: 'kerberos', why, hint, hasTicket: pattern === ticket };
}

/** What our start-statd says in the place of kinit(1). */
const silent = 'no answer';

/** Files of the node that rpc.gssd goes by. */
interface Places {
  readonly keytab: string;
  readonly config: string;
}

interface Try extends Places {
  /** The node's own, of which a key was tried; undefined where there is none. */
  readonly principal: string | undefined;
  /** The program and its reason, as they were said. */
  readonly words: string;
  /** What begins with the program's own words: those that follow may be a name, which anybody may have chosen. */
  readonly reason: string;
}

/**
 * ```
 * keytab: /etc/krb5.keytab
 * config: /etc/krb5.conf
 * nfs/node.example@EXAMPLE: kinit: Clock skew too great while getting initial credentials
 * ```
 */
function parseTry(output: string): Try {
  // Of one that did not come so far, nobody knows which files of the node it goes by.
  const [, keytab = 'its place', config = 'krb5.conf', said = output] =
    /^keytab: ([^\n]*)\nconfig: ([^\n]*)\n(.*)$/s.exec(output) ?? [];
  const [, principal, answer = ''] = /^(?:(\S+@\S+): )?(.*)$/s.exec(said.trim()) ?? [];
  const lines = answer.split('\n');
  const words = lines.find((line) => program.test(line)) ?? lines.at(-1) ?? '';
  return { keytab, config, principal, words, reason: words.replace(program, '') };
}

const program = /^(kinit|kvno): /;

/** What kvno(1) says of a ticket that it has. */
const ticket = /^nfs\/.*: kvno = \d+$/;

/**
 * How libkrb5 begins to say why kinit(1) or kvno(1) fail: lib/krb5/error_tables/krb5_err.et, and messages in which a name
 * follows. The first that matches counts.
 * @param principal the node's own, of which a key was tried.
 */
function faultsOf(
  server: string,
  { keytab, config }: Places,
  principal: string | undefined,
): readonly (readonly [pattern: RegExp, why: string, hint?: string])[] {
  const own = principal ?? 'this node';
  const giveKeytab = `put a keytab with the key of nfs/HOST at ${keytab}, mode 0600, or name another place as security.krb5.keytab in node-settings.json, then run mounter prepare; or use sec=sys, where the server takes it`;
  const named = principal ?? 'nfs/HOST';
  // A node without storage tools has no kadmin(1) either.
  const newKey = `kadmin -q ${word(`ktadd -k node.keytab ${named}`)} on the KDC, and put node.keytab in the place of ${keytab} on this node; mounter exec -- klist -k ${word(`/proc/1/root${keytab}`)} shows its keys`;
  return [
    [/^no keytab/, `this node has no keytab at ${keytab}, and so no ticket for sec=krb5`, giveKeytab],
    [
      /^(no suitable key|Keytab contains no suitable keys|Key table entry not found)/,
      `the keytab of this node, ${keytab}, has no key of nfs/HOST, host/HOST, root/HOST or HOST$`,
      giveKeytab,
    ],
    [
      /^Client .* not found in Kerberos database/,
      `the KDC does not know ${own}, which the keytab of this node has a key of`,
      `run kadmin -q ${word(`addprinc -randkey ${named}`)} on the KDC, then ${newKey}`,
    ],
    [
      /^(Preauthentication failed|Decrypt integrity check failed|Password incorrect)/,
      `the KDC does not take the key of ${own} that the keytab of this node has`,
      `run ${newKey}`,
    ],
    [
      /^(Client's entry in database has expired|Client's credentials have been revoked|Password has expired|Ticket expired)/,
      `the ticket, the password or the account of ${own} has expired`,
      `run kadmin -q ${word(`modprinc -expire never -pwexpire never ${named}`)} on the KDC, or name another date`,
    ],
    [
      /^(Clock skew too great|Ticket not yet valid)/,
      'the clock of this node is not that of the KDC',
      'set the clock of this node by NTP, as those of the KDC and the server; date -u shows it',
    ],
    [
      /^no name server answers/,
      `no name server answers this node that asks for the KDC of ${own}`,
      `run mounter doctor, which asks each name server; or name the KDC by its address in ${config}`,
    ],
    [
      /^(no answer|Cannot contact any KDC)/,
      `the KDC of ${own} does not answer`,
      `see whether the KDC that ${config} names is up, and whether a firewall drops port 88, UDP and TCP, from this node`,
    ],
    [
      /^(Cannot (find|resolve)[^"']* KDC|Cannot determine realm|Configuration file does not specify default realm|Realm not local to KDC|Resource temporarily unavail|Name or service)/,
      `no KDC is known for the realm of ${own} or of ${server}, or its name does not resolve`,
      `name the realm's KDC in [realms] of ${config}, and in [domain_realm] whose realm the server is of`,
    ],
    [
      /^Server .*not found in Kerberos database/,
      `the KDC does not know nfs/${server}`,
      `name the server as its principal has it, or make one: kadmin -q ${word(`addprinc -randkey nfs/${server}`)}, with its key in the keytab of the server`,
    ],
    [
      /^(Server's entry in database has expired|Credentials for server have been revoked)/,
      `the account of nfs/${server} has expired`,
      `run kadmin -q ${word(`modprinc -expire never nfs/${server}`)} on the KDC`,
    ],
    [ticket, `${own} has a ticket for nfs/${server}, which the server does not take for this directory`],
  ];
}
