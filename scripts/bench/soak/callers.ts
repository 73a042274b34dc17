import { type Place, usedBefore } from '../../../test/support/callers/mounting-place.ts';
import { Outcomes } from '../../../test/support/callers/outcomes.ts';
import { describePair, pairs, playRound } from '../../../test/support/callers/two-callers.ts';
import { randomNumbers } from '../../../test/support/random.ts';

/** Two calls for one target on `place`, so many rounds of each pair, told line by line. @returns how many were wrong. */
export async function soakCallers(
  place: Place,
  rounds: number,
  seed: number,
  tell: (line: string) => void,
): Promise<number> {
  const random = randomNumbers(seed);
  const before = await usedBefore(place);
  let wrongRounds = 0;
  for (const pair of pairs) {
    const outcomes = new Outcomes();
    let wrong = 0;
    for (let round = 0; round < rounds; round += 1) {
      const played = await playRound(place, pair, random, before);
      outcomes.add(played);
      if (played.wrong.length > 0) wrong += 1;
    }
    tell(`  ${describePair(pair)}: ${wrong} of ${rounds} wrong`);
    for (const line of outcomes.lines) tell(`    ${line}`);
    for (const one of new Set(outcomes.wrong)) tell(`    wrong: ${one}`);
    wrongRounds += wrong;
  }
  return wrongRounds;
}
