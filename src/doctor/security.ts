import type { MountEntry } from '../host/mountinfo.ts';
import { type Purpose, serviceOf } from '../services/services.ts';
import { observeSecurityServices, type SecurityServiceState } from '../services/state.ts';
import type { DoctorContext } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';

/** What mounts with Kerberos or TLS need of this node. A node may do without: none of it is in the verdict. */
export async function checkSecurity(context: DoctorContext): Promise<readonly Advice[]> {
  const states = await observeSecurityServices(context);
  return states.flatMap((state) => judgeService(state, context));
}

function judgeService(
  { service, daemon, answers }: SecurityServiceState,
  { manifest, entries }: DoctorContext,
): readonly Advice[] {
  const { title, purpose } = serviceOf(service);
  const users = entries.filter((entry) => isOf[purpose](entry)).length;
  if (answers && daemon !== null)
    return [
      ok(title, `runs (process ${daemon.pid}, ${daemon.owner === 'host' ? "the host's" : 'of the rootfs'})`),
    ];
  if (daemon === null && users === 0) return [];
  const fault = daemon === null ? 'does not run' : `does not answer (process ${daemon.pid})`;
  const end = daemon?.owner === 'host' ? `restart it: it is the host's own` : undefined;
  return [
    warning(
      title,
      `${fault}: ${users} mounted volumes need it, and new mounts of that kind`,
      end ?? `run mounter exec -- ${manifest.daemons.startStatd} ${service}, which starts it or says why not`,
    ),
  ];
}

/** Whether a mount goes on needing it. */
const isOf: Readonly<Record<Purpose, (entry: MountEntry) => boolean>> = {
  locks: () => false,
  kerberos: ({ fstype, superOptions }) =>
    /^nfs4?$/.test(fstype) && superOptions.some((option) => option.startsWith('sec=krb5')),
  tls: ({ fstype, superOptions }) =>
    /^nfs4?$/.test(fstype) && superOptions.some((option) => /^xprtsec=m?tls$/.test(option)),
};
