import { printable, printableLines } from '../errors.ts';
import { jsonOutput } from '../json.ts';
import { maskSecrets } from '../secrets.ts';
import { servicesFor } from '../services/services.ts';
import type { MountPlan, MountStep, RunHelper } from './plan-data.ts';

/** The plan for people: what `--dry-run` prints, a line for each step. */
export function describePlan(plan: MountPlan): string {
  const lines = plan.steps.map((step, index) => `${index + 1}. ${describeStep(step)}`);
  const about = `${plan.fstype}: ${plan.source} on ${plan.target}`;
  return printableLines([about, ...plan.notices, ...lines, ''].join('\n'));
}

/** What `--dry-run --json` prints. */
export interface MountPlanJson
  extends Omit<MountPlan, 'driver' | 'servers' | 'logFile' | 'writtenFiles' | 'steps'> {
  readonly steps: readonly (Exclude<MountStep, RunHelper> | ShownHelper)[];
}

interface ShownHelper extends Omit<RunHelper, 'secrets'> {
  /** Names in its environment. */
  readonly secrets?: readonly string[];
}

/** The plan for programs, with secrets masked like everything that is shown. */
export function planAsJson(plan: MountPlan): string {
  const { driver: _driver, servers: _servers, logFile: _log, writtenFiles: _written, ...shown } = plan;
  const steps = plan.steps.map(shownStep);
  return jsonOutput({ ...shown, options: maskSecrets(plan.options), steps } satisfies MountPlanJson);
}

function shownStep(step: MountStep): MountPlanJson['steps'][number] {
  if (step.kind !== 'runHelper') return step;
  const { secrets, argv, kind } = step;
  return { kind, argv: maskedArgv(argv), ...(secrets && { secrets: Object.keys(secrets) }) };
}

/** One step in a sentence without its full stop, safe for a terminal. */
export function describeStep(step: MountStep): string {
  return printable(inWords(step));
}

function inWords(step: MountStep): string {
  switch (step.kind) {
    case 'checkHelper':
      return `check that ${step.path} is in the rootfs`;
    case 'checkDevice':
      return `check that ${step.path} is there`;
    case 'refreshResolver':
      return "merge the host's /etc/resolv.conf into the rootfs's again, if it has changed";
    case 'copyNodeFiles':
      return "copy the node's /etc/hosts and NFS settings into the rootfs again, if they have changed";
    case 'checkTarget':
      return `check the target below ${step.identityMount}, and what is mounted on it`;
    case 'checkFile':
      return `check the file that ${step.option} names: ${step.path}`;
    case 'checkServer':
      return 'fail at once where the server was found unreachable a moment ago';
    case 'provideLockServices':
      return 'ask rpcbind and rpc.statd, and start what does not answer';
    case 'provideSecurityServices':
      return `ask ${servicesFor(step.purpose)
        .map(({ title }) => title)
        .join(' and ')}, and start what does not answer`;
    case 'runHelper':
      return `run in the rootfs: ${[...maskedSecrets(step.secrets), ...maskedArgv(step.argv)].join(' ')}`;
    case 'verifyMounted':
      return 'see that it is mounted, and is what was asked for';
    case 'provideLockServicesIfVersion3':
      return 'where mount.nfs settled for v3: ask rpcbind and rpc.statd, and start what does not answer';
    case 'setReadAhead':
      return `set the read-ahead of its filesystem to ${step.kib} KiB`;
    case 'attach':
      return 'attach it to the target, unless it was made there';
    default:
      return step satisfies never;
  }
}

/** As a shell has variables of one command. */
function maskedSecrets(secrets: Readonly<Record<string, string>> = {}): readonly string[] {
  return Object.keys(secrets).map((name) => `${name}=<masked>`);
}

/** The options follow `-o`; nothing else of a helper's argv holds secrets. */
function maskedArgv(argv: readonly string[]): readonly string[] {
  return argv.map((word, index) => (argv[index - 1] === '-o' ? maskSecrets(word) : word));
}
