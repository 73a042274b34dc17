import { statSync } from 'node:fs';
import type { MountEntry } from '../host/mountinfo.ts';
import { usualKeytab } from '../manifest/security.ts';
import { allTraits } from '../mount/filesystems/all.ts';
import { type Purpose, serviceOf } from '../services/services.ts';
import { observeSecurityServices, type SecurityServiceState } from '../services/state.ts';
import type { DoctorContext } from './context.ts';
import { hasFailedLately } from './failures.ts';
import { type Advice, ok, warning } from './finding.ts';
import { judgeKernel, readKernelFiles } from './kernel.ts';

/** What mounts with Kerberos or TLS need of this node. A node may do without: none of it is in the verdict. */
export async function checkSecurity(context: DoctorContext): Promise<readonly Advice[]> {
  const states = await observeSecurityServices(context);
  return [...judgeKerberos(context), ...states.flatMap((state) => judgeService(state, context))];
}

const kerberosModule = 'rpcsec_gss_krb5';

/** The kernel and the keytab, for a node that has or names one, or mounts that need one, also such as have failed. */
function judgeKerberos(context: DoctorContext): readonly Advice[] {
  const { host, manifest } = context;
  const { keytab, credentialCaches } = manifest.security.krb5;
  const isThere = host.stat(keytab) !== undefined;
  if (!isThere && keytab === usualKeytab && !isAskedFor(context, 'kerberos')) return [];
  const { message, level } = judgeKernel({ kernelFilesystem: kerberosModule }, readKernelFiles(host));
  const isLoaded = host.stat(`/sys/module/${kerberosModule}`) !== undefined;
  return [
    isLoaded || level === 'ok'
      ? ok(kerberosModule, isLoaded ? 'the kernel has it' : message)
      : warning(
          kerberosModule,
          `${message}: no mount with sec=krb5 works`,
          `install the kernel's modules, or boot a kernel with ${kerberosModule}`,
        ),
    isThere
      ? judgePrivate(keytab, 'security.krb5.keytab')
      : warning(
          keytab,
          'is missing (security.krb5.keytab): no new mount with sec=krb5 works',
          'put the keytab of this node there; or change security.krb5.keytab in node-settings.json, and run mounter prepare',
        ),
    ...judgeCaches(credentialCaches),
  ];
}

/** Versions before this made it for everybody to write in, and left it in /run, which is memory that the node needs. */
function judgeCaches(path: string): readonly Advice[] {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o002) === 0) return [];
  return [
    warning(
      path,
      'has tickets of users, and any user can fill its filesystem',
      `run chmod 755 ${path}; whoever makes tickets there gets a directory: install -d -m 700 -o UID ${path}/UID`,
    ),
  ];
}

function judgeService(
  { service, daemon, answers }: SecurityServiceState,
  { manifest, entries }: DoctorContext,
): readonly Advice[] {
  const { title, purpose } = serviceOf(service);
  const users = entries.filter((entry) => isOf(entry, purpose)).length;
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

/** A file with keys. @param seen its path where doctor runs. */
export function judgePrivate(path: string, setting: string, seen = path): Advice {
  const { mode, uid } = statSync(seen);
  return uid === 0 && (mode & 0o077) === 0
    ? ok(path, `is there, and root's alone (${setting})`)
    : warning(
        path,
        `has keys that others than root can read (${setting})`,
        `run chown root ${path} && chmod 600 ${path}`,
      );
}

/** Whether a mount needs it, or has failed for want of it lately. */
export function isAskedFor(context: DoctorContext, purpose: 'kerberos' | 'tls'): boolean {
  return context.entries.some((entry) => isOf(entry, purpose)) || hasFailedLately(context, purpose);
}

/** Whether a mount goes on needing it. */
function isOf(entry: MountEntry, purpose: Purpose): boolean {
  return allTraits.some(
    ({ kernelTypes, securityOf }) =>
      kernelTypes.includes(entry.fstype) && securityOf(entry).some((one) => one === purpose),
  );
}
