import type { EnterMode } from '../node/enter-mode.ts';
import { shuffled } from '../random.ts';
import type { Faulty, Finding } from './finding.ts';
import { FaultyMount } from './mount.ts';
import { FaultyPrepare } from './prepare.ts';
import { scenarios } from './scenario.ts';
import { FaultyVolume, volumeOperations } from './volume.ts';

/** What is tried: each command, with each end that it has. */
export interface Subject {
  readonly title: string;
  start(enter: EnterMode): Promise<Faulty>;
}

export const subjects: readonly Subject[] = [
  ...scenarios.map((scenario) => ({
    title: scenario.title,
    start: (enter: EnterMode): Promise<Faulty> => FaultyMount.on(scenario, enter),
  })),
  { title: 'prepare', start: (enter) => FaultyPrepare.on(enter) },
  ...volumeOperations.map((operation) => ({
    title: `volume ${operation}`,
    start: (enter: EnterMode): Promise<Faulty> => FaultyVolume.on(operation, enter),
  })),
];

/** How many to try, in an order by chance. */
export interface Sample {
  readonly random: () => number;
  readonly maximum: number;
}

export interface Faults {
  readonly injected: number;
  readonly wrong: readonly Finding[];
}

/** @param onFinding hears of each, as it is made. */
export async function injectFaults(
  subject: Subject,
  enter: EnterMode,
  sample: Sample,
  onFinding: (finding: Finding) => void = () => {},
): Promise<Faults> {
  await using faulty = await subject.start(enter);
  const chosen = shuffled(await faulty.injections(), sample.random).slice(0, sample.maximum);
  const findings: Finding[] = [];
  for (const injection of chosen) {
    const finding = await faulty.inject(injection);
    // One that comes before it where it was counted may end the call otherwise.
    if (finding.isInjected) findings.push(finding);
    onFinding(finding);
  }
  return { injected: findings.length, wrong: findings.filter(({ wrong }) => wrong.length > 0) };
}
