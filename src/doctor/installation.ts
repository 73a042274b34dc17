import { existsSync, realpathSync, statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { describeOwnSettings, type OwnSettings } from '../manifest/node-settings.ts';
import { shippedManifest } from '../manifest/shipped.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { readManifest, readNodeSettings } from '../node/node.ts';
import { offFile, whyOff } from '../node/off.ts';
import { isClosed } from '../node/version-directories.ts';
import { helperDirectories, helperState } from '../prepare/helper-links.ts';
import { failing, findingsOf, type Judged, type Judgement, ok, warning } from './finding.ts';
import { strangeRules } from './option-rules.ts';

const install = 'run mounter install SOURCE';

/** The first findings, and what all other checks need. */
export interface Installation {
  readonly findings: readonly Judged[];
  /** undefined when there is nothing to examine further. */
  readonly found: Found | undefined;
  /** The filesystem types that the settings have; where they cannot be read, those of the manifest that we ship. */
  readonly offered: readonly string[];
  readonly isOff: boolean;
}

export interface Found {
  readonly manifest: Manifest;
  readonly root: string;
  /** What turns the mounter off on this node, in words; undefined where it is on. */
  readonly offBy: string | undefined;
}

/** Who asks, and whether something is installed to ask about. */
export async function examineInstallation(host: Host, layout: Layout): Promise<Installation> {
  if (host.effectiveUserId() !== 0)
    return only(
      'root',
      failing('mounter doctor', 'only root can look at all of it, and mount', 'run it as root'),
    );
  const file = offFile(host, layout);
  let manifest: Manifest;
  try {
    manifest = await readManifest(host, layout);
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    const { subject = layout.manifest, message, hint = install } = error;
    const broken = only('manifest', failing(subject, message, hint));
    if (file === undefined) return broken;
    return { ...broken, findings: judgeOff(layout, file, true), isOff: true };
  }
  const isInstalled = host.stat(layout.rootfs)?.kind === 'directory';
  const offBy = whyOff(host, layout, manifest);
  const found = isInstalled ? { manifest, root: realpathSync(layout.rootfs), offBy } : undefined;
  const offered = Object.keys(manifest.filesystems);
  if (offBy !== undefined)
    return { findings: judgeOff(layout, offBy, file !== undefined), found, offered, isOff: true };
  if (found === undefined)
    return { ...only('rootfs', failing(layout.rootfs, 'no rootfs is installed', install)), offered };
  const findings = [
    ...findingsOf('manifest', judgeSettings(layout, host, manifest)),
    ...findingsOf('executable', [judgeExecutable(layout)]),
    ...findingsOf('versions', judgeVersions(layout)),
  ];
  return { findings, found, offered, isOff: false };
}

/** So long kubelet waits for a Pod's volumes. */
const kubeletSeconds = 123;

export function judgeManifest(
  { manifest: path, nodeSettings }: Layout,
  { limits }: Pick<Manifest, 'limits'>,
  own: readonly string[] = [],
): Judgement {
  const { mountSeconds, terminateSeconds } = limits;
  if (mountSeconds + terminateSeconds < kubeletSeconds) return ok(path, 'is valid');
  const message = `limits.mountSeconds is ${mountSeconds}, and kubelet waits 2 min 3 s for volumes: a Pod's event would not say why they fail`;
  return warning(
    own.includes('limits.mountSeconds') ? nodeSettings : path,
    message,
    'set limits.mountSeconds to 110, as it ships, in node-settings.json',
  );
}

function judgeSettings(layout: Layout, host: Host, manifest: Manifest): readonly Judgement[] {
  const own = readNodeSettings(host, layout);
  const { paths, strangeTypes } = own === undefined ? nothingOwn : describeOwnSettings(own, manifest);
  const ruledBy = paths.some((path) => path.startsWith('policy.options'))
    ? layout.nodeSettings
    : layout.manifest;
  return [
    judgeManifest(layout, manifest, paths),
    ...(own === undefined
      ? []
      : [
          ok(
            own.path,
            paths.length === 0 ? 'sets nothing' : `is laid over the manifest: ${paths.join(', ')}`,
          ),
        ]),
    ...strangeTypes.map(({ setting, type }) =>
      warning(layout.nodeSettings, `${setting}: there is no such type as ${type}`, 'take it out'),
    ),
    ...strangeRules(manifest.policy).map(({ setting, entry, meant }) =>
      warning(ruledBy, `${setting}: ${entry} is no option that is known`, `did you mean ${meant}?`),
    ),
  ];
}

const nothingOwn: OwnSettings = { paths: [], strangeTypes: [] };

function only(check: string, judgement: Judgement): Installation {
  const offered = Object.keys(shippedManifest().filesystems);
  return { findings: findingsOf(check, [judgement]), found: undefined, offered, isOff: false };
}

/** A helper that is ours fails where we are off, and mount(8) finds it first. */
function judgeOff(layout: Layout, offBy: string, isByFile: boolean): readonly Judged[] {
  const off = warning(
    'mounter',
    `turned off by ${offBy}: a mount is the host's own mount(8)`,
    isByFile
      ? 'where that is not meant, run mounter enable'
      : 'where that is not meant, take that line out, then run mounter prepare',
  );
  const helpers = helperNames.flatMap((name) => {
    const state = helperState(name, layout, helperDirectories);
    if (state.kind !== 'ours') return [];
    const message = 'is a link to the mounter, which is turned off: a mount by this helper fails';
    return [failing(state.path, message, 'run mounter install --remove-helpers')];
  });
  return [...findingsOf('off', [off]), ...findingsOf('helpers', helpers)];
}

/** kubelet finds it under this name alone; and what it hands over to, beside it. */
function judgeExecutable({ executable, fullExecutable }: Layout): Judgement {
  const status = statSync(executable, { throwIfNoEntry: false });
  if (status === undefined) return failing(executable, 'is missing: kubelet has nothing to call', install);
  if (!status.isFile() || (status.mode & 0o111) === 0)
    return failing(executable, 'is no executable file: kubelet cannot call it', install);
  if (!existsSync(fullExecutable))
    return warning(fullExecutable, 'is missing: only a plain mount works without it', install);
  return ok(executable, 'is there');
}

function judgeVersions({ versions }: Layout): readonly Judgement[] {
  if (isClosed(statSync(versions))) return [];
  const message = 'lets other users than root reach the images, their set-user-ID programs among them';
  return [warning(versions, message, 'run mounter prepare')];
}
