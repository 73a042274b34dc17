import type { MountContext } from '../context.ts';
import type { RunHelper } from '../plan-data.ts';
import { isAddress } from '../probe/ask-server.ts';
import { singleFlight } from '../probe/examine.ts';
import type { OtherFamily } from '../probe/probe-failure.ts';
import { type Failure, limitFor, ownWords } from './explain.ts';

export interface SecondTry {
  readonly step: RunHelper;
  /** Undefined where it is the same once more, now that rpc.gssd runs. */
  readonly otherFamily: OtherFamily | undefined;
}

/**
 * How to run a failed helper once more: by the family of addresses that its server can be reached by, where it has gone
 * by the other one; or with rpc.gssd, where none ran and the server may offer Kerberos alone. Not before it was seen to
 * fail, so that a mount that goes well asks nobody.
 * @returns the failure with what was found out, and no second try where that would not help.
 */
export async function secondTry(
  step: RunHelper,
  failure: Failure,
  context: MountContext,
): Promise<{ readonly failure: Failure; readonly second?: SecondTry }> {
  const { plan, outcome } = failure;
  // Whoever ended it wants no other, and at the deadline there is no time for one, whatever was found out meanwhile.
  if (outcome.endedBy === 'interrupt' || outcome.endedBy === 'deadline') return { failure };
  const asked = await withFamilies(failure, context);
  if (await hasNewTickets(asked, context))
    return { failure: asked, second: { step, otherFamily: undefined } };
  const otherFamily = asked.probeFailure;
  if (otherFamily?.kind !== 'otherFamily') return { failure: asked };
  const option = plan.driver.familyOption(plan, otherFamily.family);
  if (option === undefined) return { failure: asked };
  const argv = withOption(step.argv, option);
  return { failure: asked, second: { step: { ...step, argv }, otherFamily } };
}

/** No flavour was asked for, and the server has refused: it is no matter of Kerberos where this node has no keytab. */
async function hasNewTickets(
  { plan, outcome, probeFailure }: Failure,
  context: MountContext,
): Promise<boolean> {
  if (outcome.endedBy !== 'itself' || probeFailure !== undefined) return false;
  const words = ownWords(await plan.driver.failureTexts(), outcome.output, plan);
  if (!plan.driver.mayNegotiateKerberos(plan, words)) return false;
  const { provideKerberosIfKeytab } = await import('../../services/provide-security.ts');
  return provideKerberosIfKeytab(plan.target, context);
}

/** The options come last. A helper is told others than were asked for, or none; and of two `-o` mount.glusterfs reads one. */
export function withOption(argv: readonly string[], option: string): readonly string[] {
  return argv.at(-2) === '-o' ? argv.with(-1, `${argv.at(-1)},${option}`) : [...argv, '-o', option];
}

/** A helper that says little of its server ends by itself, too: then the server is asked. */
async function withFamilies(failure: Failure, context: MountContext): Promise<Failure> {
  const { plan, outcome, probeFailure, startedMs } = failure;
  const isName = plan.servers?.some((server) => !isAddress(server)) ?? false;
  if (outcome.endedBy !== 'itself' || probeFailure !== undefined || !isName) return failure;
  if (!(await plan.driver.failureTexts()).isTaciturn) return failure;
  const found = await singleFlight(plan, limitFor(startedMs, context), context).catch(() => undefined);
  return { ...failure, probeFailure: found, isAsked: true };
}
