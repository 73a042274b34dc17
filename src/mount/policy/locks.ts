import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { NodeSettings } from '../../manifest/manifest.ts';
import { lastOption, parseOptions } from '../arguments/options.ts';
import type { MountRequest } from '../arguments/request.ts';
import { requestedMajorVersion } from '../filesystems/nfs/nfs.ts';
import { localLockOption } from '../filesystems/nfs/options.ts';

/** What the manifest's `policy.locks` makes of a request. */
export interface LockPolicyOutcome {
  readonly options: string;
  /** A sentence for stderr about what was added; empty when nothing was. */
  readonly notices: readonly string[];
}

/**
 * The options as the policy has them. Only a mount that may come out as v3 is concerned.
 * @throws MounterError (usage, class policy) when locks are required and would stay on this node.
 */
export function applyLockPolicy(
  { fstype, target, options }: MountRequest,
  policy: NodeSettings['policy']['locks'],
): LockPolicyOutcome {
  const asItIs: LockPolicyOutcome = { options, notices: [] };
  if (policy === 'allow-nolock' || requestedMajorVersion(fstype, options) === '4') return asItIs;
  if (policy === 'add-nolock') {
    const isSaid = lastOption(parseOptions(options), 'lock', 'nolock') !== undefined;
    return isSaid ? asItIs : withNolock(options, target);
  }
  const local = localLockOption(options);
  if (local !== undefined) throw refused(local, target);
  return asItIs;
}

function withNolock(options: string, target: string): LockPolicyOutcome {
  return {
    options: options === '' ? 'nolock' : `${options},nolock`,
    notices: [
      `${target}: added nolock, as policy.locks of the manifest has it: NFSv3 locks stay on this node`,
    ],
  };
}

function refused(option: string, target: string): MounterError {
  return new MounterError(`${option} is refused: policy.locks of the manifest requires locks at the server`, {
    subject: target,
    status: exitCode.usage,
    errorClass: 'policy',
    hint: `leave ${option} out, ask for vers=4, or set policy.locks to allow-nolock`,
  });
}
