import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Filesystem, NodeSettings } from '../manifest/manifest.ts';
import { identityMountOf } from '../manifest/shared-mounts.ts';
import { nearest } from '../nearest.ts';
import { helperNames } from './arguments/argv.ts';
import type { MountRequest } from './arguments/request.ts';
import type { FilesystemDriver } from './filesystems/filesystem-driver.ts';
import { driverFor } from './filesystems/filesystems.ts';
import type { LogFile, MountPlan, MountStep } from './plan-data.ts';
import { checkPolicy, refuseHidden } from './policy/options.ts';
import { readAheadStep } from './policy/read-ahead.ts';
import { checkServerAddresses } from './policy/server-address.ts';
import { checkSource } from './policy/sources.ts';
import { failureCacheFile } from './probe/failure-cache/file.ts';

/**
 * Loads the driver that the request takes, and does nothing else.
 * @throws MounterError (usage) for a type, a target or options that the manifest does not offer or allow.
 */
export async function planMount(request: MountRequest, manifest: NodeSettings): Promise<MountPlan> {
  const filesystem = filesystemOf(request.fstype, manifest);
  return planWith(await driverFor(filesystem.kind), filesystem, request, manifest);
}

/** The same with the driver at hand. Pure. */
export function planWith(
  driver: FilesystemDriver,
  filesystem: Filesystem,
  asked: MountRequest,
  manifest: NodeSettings,
): MountPlan {
  checkSource(driver, asked, manifest.policy.sources);
  const { options, notices } = driver.applyLockPolicy(asked, manifest.policy.locks);
  const identityMount = identityMountOf(asked.target, manifest);
  const writtenFiles = checkPolicy(driver, { ...asked, options }, manifest);
  const request = {
    ...asked,
    options: asked.asker?.kind === 'inline' ? untrusted(driver, options) : options,
  };
  const servers = driver.servers(request);
  checkServerAddresses(request.source, servers);
  const isRemembering = !request.isFake && manifest.limits.failureCacheSeconds > 0 && servers !== undefined;
  const failureCache = isRemembering ? failureCacheFile(driver.kind, servers) : undefined;
  const locks = driver.lockServices(request);
  const readAhead = readAheadStep(asked, filesystem);
  const securityNeeds = driver.securityNeeds(request);
  const secrets = driver.helperSecrets(request);
  const runHelper: MountStep = {
    kind: 'runHelper',
    argv: driver.helperArgv(filesystem.helper, request),
    ...(Object.keys(secrets).length > 0 ? { secrets } : {}),
  };
  const checks: readonly MountStep[] = [
    { kind: 'checkHelper', path: filesystem.helper },
    ...filesystem.devices.map((path) => ({ kind: 'checkDevice', path }) as const),
    { kind: 'checkTarget', identityMount },
    ...writtenFiles.map((file) => ({ kind: 'checkFile', ...file }) as const),
  ];
  return {
    fstype: request.fstype,
    kind: driver.kind,
    driver,
    source: request.source,
    servers,
    target: request.target,
    helper: filesystem.helper,
    options: request.options,
    leavesDaemon: driver.daemon !== undefined,
    logFile: logFileOf(driver.logFile(request), manifest),
    writtenFiles,
    privileges: driver.privileges,
    failureCache,
    notices,
    steps: request.isFake
      ? [...checks, ...(driver.hasFakeMount ? [runHelper] : [])]
      : [
          ...checks,
          ...when(manifest.resolver.mode === 'merge', { kind: 'refreshResolver' }),
          { kind: 'copyNodeFiles' },
          ...when(failureCache !== undefined, { kind: 'checkServer' }),
          ...when(locks === 'always', { kind: 'provideLockServices' }),
          ...securityNeeds.map((purpose) => ({ kind: 'provideSecurityServices', purpose }) as const),
          runHelper,
          { kind: 'verifyMounted' },
          ...when(locks === 'ifNegotiated', { kind: 'provideLockServicesIfVersion3' }),
          ...(readAhead === undefined ? [] : [readAhead]),
          { kind: 'attach' },
        ],
  };
}

/** Of a volume that a Pod's author chose, neither programs nor devices are root's, whatever its options say. */
function untrusted(driver: FilesystemDriver, options: string): string {
  const all = [options, 'nosuid', 'nodev'].filter((option) => option !== '').join(',');
  refuseHidden(driver.options, all);
  return all;
}

function when(isWanted: boolean, step: MountStep): readonly MountStep[] {
  return isWanted ? [step] : [];
}

export function filesystemOf(fstype: string, manifest: NodeSettings): Filesystem {
  const filesystem = Object.hasOwn(manifest.filesystems, fstype) ? manifest.filesystems[fstype] : undefined;
  if (filesystem !== undefined) return filesystem;
  const offered = Object.keys(manifest.filesystems);
  const near = nearest(fstype, offered);
  throw new MounterError(`filesystem type not offered on this node`, {
    subject: fstype,
    status: exitCode.usage,
    hint: helperNames.some((name) => name === `mount.${fstype}`)
      ? `this node is to mount none: filesystems.${fstype} of the settings is null or missing; offered are ${offered.join(', ')}`
      : near === undefined
        ? `offered are ${offered.join(', ')}`
        : `did you mean ${near}? Offered are ${offered.join(', ')}`,
  });
}

function logFileOf(path: string | undefined, { mounts }: NodeSettings): LogFile | undefined {
  if (path === undefined) return undefined;
  const mount = mounts.mounter.find(({ rootfs }) => path.startsWith(`${rootfs}/`));
  const onHost = mount?.host === undefined ? path : `${mount.host}${path.slice(mount.rootfs.length)}`;
  return { inRootfs: path, onHost };
}
