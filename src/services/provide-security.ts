import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import {
  askInRootfs,
  hasUnit,
  moveServicesToScopes,
  type ServicesContext,
  start,
  startedByUnit,
} from './provide.ts';
import { type Purpose, servicesFor } from './services.ts';

/**
 * For a mount that was refused without having asked for Kerberos: starts rpc.gssd, where this node has a keytab and none
 * ran.
 * @returns whether the same mount may come to something now.
 */
export async function provideKerberosIfKeytab(target: string, context: ServicesContext): Promise<boolean> {
  const [gssd] = servicesFor('kerberos');
  const asked = [[context.manifest.daemons.startStatd, 'keytab'], gssd?.question ?? []];
  const [hasKeytab, hasGssd] = await Promise.all(asked.map((argv) => askInRootfs(argv, context)));
  if (!hasKeytab?.answers || hasGssd?.answers) return false;
  for (const purpose of ['kerberos', 'names'] as const)
    await provideSecurityServices(purpose, target, context);
  return true;
}

/**
 * Makes the services answer that a mount with Kerberos or TLS needs. start-statd asks, too, and brings what the daemons
 * read up to date.
 * @throws MounterError (mount failure, of the purpose's class) when one does not answer.
 */
export async function provideSecurityServices(
  purpose: Exclude<Purpose, 'locks'>,
  target: string,
  context: ServicesContext,
): Promise<void> {
  const { host, layout, manifest } = context;
  const inside = rootfsEntrance(layout.rootfs, host);
  for (const service of servicesFor(purpose)) {
    const { role, title } = service;
    if (hasUnit(service, host) && !(await askInRootfs(service.question, context)).answers)
      await startedByUnit(service, context);
    const argv = [manifest.daemons.startStatd, role];
    const { status, endedBy, output } = await start({ argv, inside, watchdog: undefined }, context);
    // Without names everything is nobody's, and is mounted all the same: doctor tells of it.
    if (purpose === 'names' || (status === 0 && endedBy === 'itself')) continue;
    throw new MounterError(`${title} does not answer, without which nothing is mounted with this option`, {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: purpose,
      helperOutput: output,
      hint: `run mounter doctor, and mounter exec -- ${argv.join(' ')}, which starts it or says why not`,
    });
  }
  await moveServicesToScopes(context);
}
