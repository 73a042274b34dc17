import type { Outcome, StormReport } from './report.ts';

/** What must hold of a storm, whatever the machine: empty when it does. */
export function faultsOf({ storm, healthy, dead, peakMb, before, after }: StormReport): readonly string[] {
  const faults: string[] = [];
  if (healthy !== null && healthy.succeeded < healthy.calls)
    faults.push(
      `${healthy.calls - healthy.succeeded} calls to the healthy server failed: ${healthy.firstWords}`,
    );
  if (dead !== null) {
    if ((dead.failed['server-silent'] ?? 0) < dead.calls)
      faults.push(`calls to the dead server ended as ${JSON.stringify(dead.failed)}: ${dead.firstWords}`);
    if (dead.wallMs.maximum > deadlineMs)
      faults.push(`a call to the dead server took ${Math.round(dead.wallMs.maximum)} ms`);
  }
  if (peakMb !== null && peakMb > memoryLimitMb) faults.push(`${Math.round(peakMb)} MB were held`);
  if (JSON.stringify(after) !== JSON.stringify(before))
    faults.push(`left of ${storm.name}: ${JSON.stringify(after)}, before it ${JSON.stringify(before)}`);
  return faults;
}

/** `limits.mountSeconds` of the manifest, and the end of the helper. */
export const deadlineMs = 115_000;

/** From the project's issue on storms: for 200 calls that wait. */
export const memoryLimitMb = 600;

/** A line for the storm, and one for each server. */
export function describeStorm({ storm, healthy, dead, peakMb, wholeMs }: StormReport): string {
  const memory = peakMb === null ? '' : `, at most ${Math.round(peakMb)} MB held by all processes together`;
  return [
    `${storm.name}: over after ${seconds(wholeMs)} s${memory}`,
    ...(healthy === null ? [] : [`  healthy: ${describeOutcome(healthy)}`]),
    ...(dead === null ? [] : [`  dead:    ${describeOutcome(dead)}`]),
    '',
  ].join('\n');
}

function describeOutcome({ calls, succeeded, failed, remembered, wallMs }: Outcome): string {
  const classes = Object.entries(failed).map(([name, count]) => `, ${count} ${name}`);
  const { median, percentile99, maximum } = wallMs;
  const times = `median ${seconds(median)} s, 99th percentile ${seconds(percentile99)} s, longest ${seconds(maximum)} s`;
  const known = remembered === 0 ? '' : ` (${remembered} from another call)`;
  return `${calls} calls, ${succeeded} succeeded${classes.join('')}${known}; ${times}`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}
