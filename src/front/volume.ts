import { failureAsJson, formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type MountFlag, mountFlagNames } from '../host/mount-host.ts';
import type { Output } from '../host/output.ts';
import { asMounterError } from '../host/system-error.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { parseMountArguments } from '../mount/arguments/argv.ts';
import { toMountRequest } from '../mount/arguments/request.ts';
import { planMount } from '../mount/plan.ts';
import { makeTarget, publish, spaceOf, type VolumeContext } from '../mount/volume/publish.ts';
import { unpublish } from '../mount/volume/unpublish.ts';
import type { Layout } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { lastSettings } from '../node/settings.ts';
import { currentSettings, findNode } from './node.ts';
import { holdInterruptions } from './signals.ts';
import { volumeHost } from './volume-host.ts';

/**
 * What the CSI driver has done on the host beside mounts, in a process of its own each that can be ended:
 *
 *     mounter volume publish STAGED TARGET [ro|nosuid|nodev|noexec]… -- MOUNT
 *     mounter volume directory TARGET -- MOUNT    makes it, for an inline volume to be mounted on
 *     mounter volume unpublish TARGET
 *     mounter volume unstage TARGET
 *     mounter volume stats TARGET        its space in JSON, or the name of an errno
 *
 * MOUNT is what `mounter mount` is told for the volume and its Pod: both do nothing where that would be refused, nor
 * where it is not what STAGED, which it names as its target, shows.
 *
 * @returns the exit status; what failed is said on stderr, and on stdout as `mounter mount --json` has it.
 */
export async function volume(words: readonly string[], output: Output): Promise<number> {
  try {
    await carryOut(words, output);
    return exitCode.success;
  } catch (error) {
    const failure = asMounterError(error);
    output.err(formatError(failure));
    output.out(failureAsJson(failure));
    return failure.status;
  }
}

async function carryOut(words: readonly string[], output: Output): Promise<void> {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const [operation, first, second, ...flags] = words.slice(0, end);
  if (operation === undefined || first === undefined) throw usage();
  requireRoot(volumeHost, 'mounting');
  const layout = findNode();
  const manifest = await settingsFor(operation, layout);
  const plan =
    end === words.length
      ? undefined
      : await planMount(toMountRequest(parseMountArguments(words.slice(end + 1))), manifest);
  const context: VolumeContext = { host: volumeHost, layout, manifest, isInterrupted: holdInterruptions() };
  switch (operation) {
    case 'publish':
      if (second === undefined) throw usage();
      await publish({ staged: first, target: second, flags: flags.filter(isFlag), plan }, context);
      break;
    case 'directory':
      await makeTarget(first, context);
      break;
    case 'unpublish':
    case 'unstage':
      await unpublish(first, { isDirectoryRemoved: operation === 'unpublish' }, context);
      break;
    case 'stats':
      output.out(`${JSON.stringify(spaceOf(first, context))}\n`);
      break;
    default:
      throw usage();
  }
}

/** A node whose MOUNTER_HOME was removed still has the volumes. @throws MounterError where there are none. */
async function settingsFor(operation: string, layout: Layout): Promise<NodeSettings> {
  const settings = await currentSettings(layout);
  if (!(settings instanceof MounterError)) return settings;
  const last = operation.startsWith('un') ? lastSettings(volumeHost) : undefined;
  if (last === undefined) throw settings;
  return last;
}

function isFlag(word: string): word is MountFlag {
  return mountFlagNames.some((name) => name === word);
}

function usage(): MounterError {
  return new MounterError('is for the CSI driver, mounter csi', {
    subject: 'volume',
    status: exitCode.usage,
  });
}
