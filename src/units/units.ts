import type { Manifest } from '../manifest/manifest.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import { type Layout, layoutOf } from '../node/layout.ts';
import { lockServices, type Service, serviceOf, servicesFor } from '../services/services.ts';
import { driverHardening, lockServiceHardening, metricsHardening, prepareHardening } from './hardening.ts';
import { argumentsVariable, dropInFile, kubeletFlag } from './kubelet-flag.ts';
import { commandLine, plain, quoted } from './syntax.ts';

/** The systemd units of a node, as text; nothing is read or written here. */

export const unitNames = [
  'prepare',
  'statd',
  'kerberos',
  'tls',
  'metrics',
  'csi',
  'kubelet',
  'kubelet-flag',
] as const;
export type UnitName = (typeof unitNames)[number];

/** A file of /etc/systemd/system. */
export interface Unit {
  readonly fileName: string;
  readonly text: string;
  /** Enabled: at boot it is started. The others are started by what needs them. */
  readonly isEnabled: boolean;
  /** Started by its installation, too: it does nothing that a running node does not have done already. */
  readonly isStarted: boolean;
  /** Ended by its removal, too: no volume needs it. */
  readonly isStopped?: true;
}

export interface UnitContext {
  readonly layout: Layout;
  readonly manifest: Manifest;
  /** For `metrics`: what is written; of no matter for their removal. */
  readonly metricsFile: string;
  /** For `csi`: the driver's, with commas between them; undefined: its usual one. */
  readonly driverNames: string | undefined;
  /** For `kubelet`: the arguments of `mounter kubelet`. */
  readonly kubeletArguments: readonly string[];
  /** For `kubelet-flag`: somebody else's text has the flag, and our drop-in sets nothing but what goes with it. */
  readonly isFlagElsewhere?: boolean;
}

/** The first line of each file, by which we know our own. */
export const mark = '# Written by mounter unit.';

/** Before the executable's path, in a file in which nothing else names it. */
export const ofExecutable = '# For ';

const prepareUnit = 'containerized-mounter-prepare.service';
const notifyUnit = 'containerized-mounter-notify.service';
const metricsUnit = 'containerized-mounter-metrics.service';
const driverUnit = 'containerized-mounter-csi.service';
const kubeletUnit = 'containerized-mounter-kubelet.service';

/** The units behind a name of the command line. @throws MounterError (usage) for a path that no unit can name. */
export function unitsOf(name: UnitName, context: UnitContext): readonly Unit[] {
  switch (name) {
    case 'prepare':
      return [prepare(context)];
    case 'statd':
      return [...lockServices.map((service) => ofService(service, context)), notify(context)];
    case 'kerberos':
    case 'tls':
      return securityServicesOf(name).map((service) => ofService(service, context));
    case 'metrics':
      return [metrics(context), metricsTimer(context)];
    case 'csi':
      return [driver(context)];
    case 'kubelet':
      return [kubelet(context)];
    case 'kubelet-flag':
      return [kubeletDropIn(context)];
    default:
      return name satisfies never;
  }
}

/** The commands, as argv, that replace the units where there is no systemd; of `kubelet-flag` the flag alone. */
export function commandsOf(name: UnitName, context: UnitContext): readonly (readonly string[])[] {
  const { layout } = context;
  if (name === 'kubelet-flag') return [[kubeletFlag(layout)]];
  const variables = variablesOf(layout);
  const set = variables.length === 0 ? [] : ['env', ...variables];
  return bareCommandsOf(name, context).map((argv) => [...set, ...argv]);
}

function bareCommandsOf(
  name: Exclude<UnitName, 'kubelet-flag'>,
  context: UnitContext,
): readonly (readonly string[])[] {
  const { layout, kubeletArguments, metricsFile } = context;
  const { executable } = layout;
  switch (name) {
    case 'prepare':
      return [[executable, 'prepare']];
    case 'statd':
      // rpcbind and rpc.statd are started by the mounts that need them.
      return [[executable, 'exec', '--', 'sm-notify']];
    case 'kerberos':
    case 'tls':
      return securityServicesOf(name).map((service) => startCommand(service, context));
    case 'metrics':
      return [['sh', '-c', eachMinute, executable, metricsFile]];
    case 'csi':
      return [[executable, 'prepare'], driverCommand(context)];
    case 'kubelet':
      return [
        [executable, 'prepare'],
        [executable, 'kubelet', ...kubeletArguments],
      ];
    default:
      return name satisfies never;
  }
}

/**
 * Wanted by kubelet, not required: a node whose preparation failed still runs every Pod without such a
 * volume, and stopping this unit must not stop kubelet. It has no ExecStop=: mounted volumes stay.
 */
function prepare(context: UnitContext): Unit {
  const { layout } = context;
  const directories = [layout.home, ...sharedDirectories(context.manifest)].map(quoted).join(' ');
  const text = file([
    ['Unit', 'Description=Prepare this node for containerized mounts', ...installed(layout)],
    ['', `RequiresMountsFor=${directories}`, 'After=local-fs.target'],
    // At shutdown volumes are unmounted while lock services and the network are still there.
    ['', 'Wants=remote-fs-pre.target', `Before=remote-fs-pre.target kubelet.service ${kubeletUnit}`],
    ['Service', 'Type=oneshot', 'RemainAfterExit=yes', ...environment(layout)],
    ['', `ExecStartPre=${commandLine(executableHome(layout))}`],
    ['', `ExecStart=${commandLine([layout.executable, 'prepare'])}`],
    ['', 'Restart=on-failure', 'RestartSec=10', 'TimeoutStartSec=120', ...prepareHardening],
    ['Install', `WantedBy=multi-user.target kubelet.service ${kubeletUnit}`],
  ]);
  return { fileName: prepareUnit, text, isEnabled: true, isStarted: true };
}

/** /home may be mounted noexec: then `prepare` itself could not be started. It finds this bind, and keeps it. */
function executableHome({ home, executable }: Layout): readonly string[] {
  const script = 'test -x "$0" || { mount --bind "$1" "$1" && mount -o remount,bind,exec "$1"; }';
  return ['/bin/sh', '-c', script, executable, home];
}

function securityServicesOf(name: 'kerberos' | 'tls'): readonly Service[] {
  return name === 'tls' ? servicesFor(name) : [...servicesFor(name), ...servicesFor('names')];
}

function startCommand(
  { role }: Pick<Service, 'role'>,
  { layout, manifest }: Pick<UnitContext, 'layout' | 'manifest'>,
): readonly string[] {
  return [layout.executable, 'exec', '--', manifest.daemons.startStatd, role];
}

/**
 * start-statd starts a daemon only where none answers, under the lock that a mount's own start-statd takes:
 * there is never a second one, be the first the host's, in a scope, or this unit's from before.
 *
 * An rpcbind that was killed has forgotten rpc.statd, which registers at its start alone: both start again.
 */
function ofService(
  { role, title, unit, needs, hostUnits, capabilities }: Service,
  { layout, manifest }: UnitContext,
): Unit {
  const needed = needs === undefined ? undefined : serviceOf(needs).unit;
  const start = startCommand({ role }, { layout, manifest });
  const text = file([
    ['Unit', `Description=${title} of the containerized mounter`, ...installed(layout)],
    needed === undefined
      ? ['', `After=${[prepareUnit, ...hostUnits].join(' ')} network.target`, `Wants=${prepareUnit}`]
      : ['', `Requires=${needed}`, `After=${[needed, ...hostUnits].join(' ')}`],
    ['', 'Before=remote-fs-pre.target'],
    ['Service', 'Type=forking', ...environment(layout)],
    ['', `ExecStart=${commandLine(start)}`],
    [
      '',
      'Restart=on-failure',
      'RestartSec=1',
      'TimeoutStartSec=60',
      'TimeoutStopSec=10',
      ...lockServiceHardening,
      ...(capabilities === undefined ? [] : [`CapabilityBoundingSet=${capabilities}`]),
    ],
  ]);
  return { fileName: unit, text, isEnabled: false, isStarted: false };
}

/**
 * A node that went down with NFSv3 locks tells the servers that it is up again; until then they keep its
 * old locks, and nobody else gets them. It counts the node's restarts in a file that rpc.statd reads at its
 * start, hence first. @see sm-notify(8)
 */
function notify({ layout, manifest }: UnitContext): Unit {
  const state = plain(stateDirectory(manifest));
  const text = file([
    ['Unit', 'Description=Tell NFS servers that this node has restarted', ...installed(layout)],
    ['', `ConditionDirectoryNotEmpty=|${state}/sm`, `ConditionDirectoryNotEmpty=|${state}/sm.bak`],
    ['', 'Wants=network-online.target', `After=${prepareUnit} network-online.target`],
    ['', `Before=${serviceOf('statd').unit} kubelet.service ${kubeletUnit}`],
    ['Service', 'Type=forking', ...environment(layout)],
    ['', `ExecStart=${commandLine([layout.executable, 'exec', '--', 'sm-notify'])}`],
    ['', 'TimeoutStartSec=60', ...lockServiceHardening],
    ['Install', 'WantedBy=multi-user.target'],
  ]);
  return { fileName: notifyUnit, text, isEnabled: true, isStarted: false };
}

function stateDirectory({ mounts }: Manifest): string {
  return mounts.mounter.find(({ rootfs }) => rootfs === '/var/lib/nfs')?.host ?? '/var/lib/nfs';
}

const eachMinute = 'while :; do "$0" status --metrics "$1"; sleep 60; done &';

/** That it ran is no news, and would hide all else in the journal. */
function metrics({ layout, metricsFile }: UnitContext): Unit {
  const text = file([
    ['Unit', 'Description=Write the metrics of the containerized mounter', ...installed(layout)],
    ['Service', 'Type=oneshot', ...environment(layout)],
    ['', `ExecStart=${commandLine([layout.executable, 'status', '--metrics', metricsFile])}`],
    ['', 'TimeoutStartSec=60', 'LogLevelMax=notice', 'SyslogLevel=notice', ...metricsHardening],
  ]);
  return { fileName: metricsUnit, text, isEnabled: false, isStarted: false };
}

/** By the clock: a timer that counts from the last run ends where one is skipped. */
function metricsTimer({ layout }: UnitContext): Unit {
  const text = file([
    ['Unit', 'Description=Write the metrics of the containerized mounter each minute', ...installed(layout)],
    ['Timer', `Unit=${metricsUnit}`, 'OnActiveSec=1s', 'OnCalendar=minutely', 'AccuracySec=10s'],
    ['Install', 'WantedBy=timers.target'],
  ]);
  const fileName = metricsUnit.replace('.service', '.timer');
  return { fileName, text, isEnabled: true, isStarted: true, isStopped: true };
}

/**
 * Stopped after kubelet, which has it take volumes away when the node goes down. What it has begun is not ended with it:
 * a mount that is at work then is kubelet's when it asks again, and a daemon that has come to be is in a scope of its own.
 */
function driver(context: UnitContext): Unit {
  const { layout } = context;
  const text = file([
    ['Unit', 'Description=CSI driver of the containerized mounter', ...installed(layout)],
    ['', `Wants=${prepareUnit}`, `After=${prepareUnit}`, `Before=kubelet.service ${kubeletUnit}`],
    ['', 'StartLimitIntervalSec=0'],
    ['Service', 'Type=exec', ...environment(layout), `ExecStart=${commandLine(driverCommand(context))}`],
    ['', 'Restart=always', 'RestartSec=2', 'KillMode=process', 'OOMPolicy=continue', 'TimeoutStopSec=10'],
    ['', ...driverHardening],
    ['Install', 'WantedBy=multi-user.target'],
  ]);
  return { fileName: driverUnit, text, isEnabled: true, isStarted: true, isStopped: true };
}

function driverCommand({ layout, driverNames }: UnitContext): readonly string[] {
  return [layout.executable, 'csi', ...(driverNames === undefined ? [] : ['--name', driverNames])];
}

/** Of the operator's own kubelet, where nothing else sets the variable (kubelet-flag.ts), or it needs more than that. */
function kubeletDropIn({ layout, isFlagElsewhere }: UnitContext): Unit {
  const flag = `Environment=${quoted(`${argumentsVariable}=${kubeletFlag(layout)}`)}`;
  const lines = isFlagElsewhere ? [`${ofExecutable}${layout.executable}`] : [flag];
  const text = file([['Service', ...lines, ...environment(layout)]]);
  return { fileName: dropInFile, text, isEnabled: false, isStarted: false };
}

/** Like kubelet's own units: a restart leaves alone what kubelet has started, and there is no sandbox. */
function kubelet({ layout, kubeletArguments }: UnitContext): Unit {
  const text = file([
    ['Unit', 'Description=kubelet in a rootfs of its own', ...installed(layout)],
    ['', 'Documentation=https://kubernetes.io/docs/', `Wants=${prepareUnit} network-online.target`],
    ['', `After=${prepareUnit} network-online.target containerd.service crio.service docker.service`],
    ['', 'Conflicts=kubelet.service', 'StartLimitIntervalSec=0'],
    ['Service', 'Type=exec', ...environment(layout)],
    ['', `ExecStart=${commandLine([layout.executable, 'kubelet', ...kubeletArguments])}`],
    ['', 'Restart=always', 'RestartSec=10', 'KillMode=process', 'Delegate=yes', 'TasksMax=infinity'],
    ['', 'CPUAccounting=yes', 'MemoryAccounting=yes', 'OOMScoreAdjust=-999'],
    ['Install', 'WantedBy=multi-user.target'],
  ]);
  return { fileName: kubeletUnit, text, isEnabled: true, isStarted: false };
}

/** Without the executable the unit is skipped: nothing fails on a node that the mounter was removed from. */
function installed({ executable }: Layout): readonly string[] {
  return [`ConditionFileIsExecutable=${plain(executable)}`];
}

function environment(layout: Layout): readonly string[] {
  return variablesOf(layout).map((variable) => `Environment=${quoted(variable)}`);
}

/** What the place of the executable does not say. */
export function variablesOf({ home, manifest }: Layout): readonly string[] {
  return manifest === layoutOf(home).manifest ? [] : [`MOUNTER_MANIFEST=${manifest}`];
}

function sharedDirectories({ mounts }: Manifest): readonly string[] {
  return mounts.mounter.filter(isShared).flatMap(({ host }) => host ?? []);
}

/** Lines in sections; '' goes on with the one before. */
function file(parts: readonly (readonly [section: string, ...lines: readonly string[]])[]): string {
  const lines = parts.flatMap(([section, ...rest]) =>
    section === '' ? rest : ['', `[${section}]`, ...rest],
  );
  return `${[mark, ...lines].join('\n')}\n`;
}
