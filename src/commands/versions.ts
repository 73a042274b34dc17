import { table, terminalWidth, wrapped } from '../columns.ts';
import { exitCode } from '../exit-codes.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { shortDigest } from '../image/digest.ts';
import type { InstalledVersion } from '../image/versions/version-list.ts';
import { describeProcess } from '../image/versions/version-use.ts';
import { jsonOutput } from '../json.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand, wideText } from './command.ts';

export const versions = defineCommand({
  name: 'versions',
  summary: 'the rootfs versions that are installed, and what runs from each',
  flags: { '--json': 'the same for programs', '--wide': wideText },
  manual: [
    `The rootfs versions that are installed: digest, when and from where it was installed, size, which is the
    current and which the previous one; and the processes that run from each: daemons of volumes, rpcbind,
    rpc.statd and other services, a kubelet.`,
  ],
  examples: ['mounter versions', 'mounter versions --json'],
  run: async (flags, { layout, host, output }) => {
    // What is in an image is no business of others, and only root sees where a process runs.
    requireRoot(host, 'looking at the versions');
    const { listVersions } = await import('../image/versions/version-list.ts');
    const list = listVersions(layout, host);
    if (flags.has('json')) output.out(jsonOutput(forPrograms(list)));
    else
      output.out(
        list.length === 0
          ? 'none: run mounter install SOURCE\n'
          : forPeople(list, terminalWidth(flags.has('wide'))),
      );
    return exitCode.success;
  },
});

/** What `--json` prints. */
export interface VersionsJson {
  /** The latest first. */
  readonly versions: readonly ListedVersion[];
}

export interface ListedVersion extends Omit<InstalledVersion, 'manifest' | 'processes' | 'mounts'> {
  /** What runs from it. */
  readonly processes: readonly { readonly pid: number; readonly program: string }[];
  /** What somebody else has mounted in it. */
  readonly mounts: readonly Pick<MountEntry, 'mountPoint' | 'source' | 'fstype'>[];
}

function forPrograms(list: readonly InstalledVersion[]): VersionsJson {
  const versions = list.map(({ manifest: _, processes, mounts, ...version }) => ({
    ...version,
    processes: processes.map(({ pid, name }) => ({ pid, program: name })),
    mounts: mounts.map(({ mountPoint, source, fstype }) => ({ mountPoint, source, fstype })),
  }));
  return { versions };
}

/** Columns below which the size and the time of day are left out. */
const narrow = 72;

function forPeople(list: readonly InstalledVersion[], width: number | undefined): string {
  const isNarrow = width !== undefined && width < narrow;
  const sizeOf = ({ bytes }: InstalledVersion) => (bytes === null ? '-' : `${(bytes / 1e6).toFixed(1)} MB`);
  const facts = table(
    [
      ['STATE', 'DIGEST', 'INSTALLED', ...(isNarrow ? [] : ['SIZE']), 'REFERENCE'],
      ...list.map((version) => [
        stateOf(version),
        shortDigest(version.digest),
        version.installedAt?.replace(isNarrow ? /T.*$/ : /:\d\d\.\d+Z$/, isNarrow ? '' : 'Z') ?? '-',
        ...(isNarrow ? [] : [sizeOf(version)]),
        version.reference ?? '-',
      ]),
    ],
    width,
    { names: [isNarrow ? 3 : 4], colourOf: (cell) => (cell === 'current' ? 'green' : undefined) },
  );
  const used = list.flatMap((version) =>
    usesOf(version).flatMap((use) => wrapped(`${shortDigest(version.digest)}: ${use}`, width)),
  );
  return `${facts}${used.length === 0 ? '' : `\n${used.join('\n')}\n`}`;
}

function stateOf({ isCurrent, isPrevious }: InstalledVersion): string {
  return isCurrent ? 'current' : isPrevious ? 'previous' : '-';
}

function usesOf({ processes, mounts }: InstalledVersion): readonly string[] {
  const running = processes.map((process) => `${describeProcess(process)} runs from it`);
  return mounts.length === 0 ? running : [...running, `${mounts.length} mounts in it`];
}
