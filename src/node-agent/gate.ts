import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { fileHost } from '../host/file-host.ts';
import { gatePath } from './places.ts';

/**
 * The gate: a ConfigMap of its own, whose `state` says what the mounter is to be on all nodes. It is read before all
 * else, and by itself: no setting, and nothing that fails on a node, keeps it from being obeyed.
 */

/** `removed`: off, and what the agent prepared is undone. */
const gateStates = ['on', 'off', 'removed'] as const;
export type GateState = (typeof gateStates)[number];

/** The state as it is now, as it was written; undefined where the cluster has no gate. */
export function readGate(): string | undefined {
  return fileHost.readText(gatePath);
}

/**
 * @param text as `readGate` has it. No gate is one that is on.
 * @throws MounterError (system) for what is none of the states: the node stays as it is.
 */
export function gateState(text: string | undefined): GateState {
  if (text === undefined) return 'on';
  const state = gateStates.find((known) => known === text.trim());
  if (state !== undefined) return state;
  throw new MounterError(`${JSON.stringify(text.slice(0, 40))} is no state of the gate`, {
    subject: gatePath,
    status: exitCode.system,
    hint: `make it one of ${gateStates.join(', ')}: mounter manifest daemonset with --enabled true, --enabled false or --remove prints the ConfigMap for kubectl apply`,
  });
}
