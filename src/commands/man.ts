import { wrapped } from '../columns.ts';
import { exitCode } from '../exit-codes.ts';
import { settings } from '../manifest/settings-list.ts';
import { shippedManifest } from '../manifest/shipped.ts';
import { defaultHome } from '../node/layout.ts';
import type { Command } from './command.ts';
import {
  environment,
  exampleLines,
  notRepeated,
  type pageNames,
  purpose,
  usageLines,
  visible,
} from './help.ts';

/** Manual pages, in mdoc(7), of what help and the settings are made of. */

/** What each status says, of `mounter mount` first. */
const statusMeanings: Readonly<Record<keyof typeof exitCode, string>> = {
  success:
    'Done; of a mount: mounted, and visible on the host, or mounted there already from the same source.',
  usage: 'Usage, a target that cannot be mounted on, a refusal by policy, or not root.',
  system:
    'The node is not in order: nothing installed, not prepared, a helper or a device missing, out of memory or disk; or standard output cannot be written to.',
  internal: 'A bug of mounter.',
  interrupted: 'Ended by a signal; nothing is mounted.',
  mountFailure: 'The mount failed; nothing is mounted.',
  helperNotExecutable: 'The helper, or the kubelet, is there but cannot be executed.',
  helperNotFound: 'The helper, or the kubelet, is not there.',
};

const files: readonly Row[] = [
  [defaultHome, 'MOUNTER_HOME, where nothing else is said.'],
  ['MOUNTER_HOME/rootfs-manifest.json', 'What the rootfs was installed with: rootfs-manifest.json(5).'],
  ['MOUNTER_HOME/node-settings.json', "The node's own settings, which are laid over it."],
  ['MOUNTER_HOME/rootfs', 'Leads to the version of the rootfs that is in use, in MOUNTER_HOME/versions.'],
  ['/var/log/containerized-mounter', 'The record of calls, and logs of GlusterFS.'],
  ['/var/lib/containerized-mounter', 'The servers that NFSv3 locks have to be recovered from.'],
];

type Row = readonly [term: string, text: string];

/** @param commands all there are. */
export function manualPage(page: (typeof pageNames)[number], commands: readonly Command[]): string {
  return page === 'mounter' ? pageOfMounter(commands) : pageOfSettings();
}

function pageOfMounter(commands: readonly Command[]): string {
  const all = commands.flatMap(({ subcommands, ...command }) => notRepeated(subcommands ?? [command]));
  const examples = new Set(all.flatMap((command) => command.examples));
  return [
    head('mounter', 8, purpose),
    section('SYNOPSIS', '.Nm', '.Ar command', '.Op Ar argument ...'),
    section(
      'DESCRIPTION',
      prose(
        `Mounts NFS and GlusterFS volumes on nodes that have no storage tools: it runs the mount helpers of a rootfs
        that it has installed, apart from the host, and attaches the finished mount. Called as mount.nfs, mount.nfs4 or
        mount.glusterfs it is that mount helper.`,
      ),
    ),
    section('COMMANDS', ...all.flatMap(commandPart)),
    section('ENVIRONMENT', list(environment)),
    section('FILES', list(files)),
    section(
      'EXIT STATUS',
      list(Object.entries(exitCode).map(([name, status]) => [`${status}`, meaningOf(name)])),
    ),
    section(
      'EXAMPLES',
      '.Bd -literal',
      ...[...examples].flatMap((example) => exampleLines(example, 8)).map(literal),
      '.Ed',
    ),
    section('SEE ALSO', prose('`nfs`(5), `rootfs-manifest.json`(5), `mount`(8), `mount.glusterfs`(8)')),
  ].join('');
}

function meaningOf(name: string): string {
  return statusMeanings[name as keyof typeof exitCode];
}

/** How it is called, what it does, and its flags. */
function commandPart(command: Command): readonly string[] {
  const { name, summary, manual, flags } = command;
  const calls = usageLines(command).flatMap((line, index) => [
    ...(index === 0 ? [] : ['.br']),
    ...wrapped(line, 40).map(styled),
  ]);
  const text = manual.map((part, index) => {
    if (typeof part !== 'string') return list(part);
    return `${index === 0 || typeof manual[index - 1] !== 'string' ? '' : '.Pp\n'}${prose(part)}`;
  });
  const described = visible(flags).map(
    ({ term, text, default: usual }): Row => [
      term,
      usual === undefined ? text : `${text}; ${usual} if left out`,
    ],
  );
  return [
    `.Ss mounter ${name}`,
    ...calls,
    '.Pp',
    ...(text.length === 0 ? [prose(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)] : text),
    ...(described.length === 0 ? [] : [list(described)]),
  ];
}

function pageOfSettings(): string {
  const rows = settings().map(({ name, default: usual, meaning }): Row => {
    const shown =
      usual === undefined || name === 'mounts.mounter' ? '' : ` Default: \`${JSON.stringify(usual)}\`.`;
    return [name, `${meaning.replace(/\.$/, '')}.${shown}`];
  });
  return [
    head('rootfs-manifest.json', 5, 'what a node mounts, how, and within what limits'),
    section(
      'DESCRIPTION',
      prose(
        `A node goes by two files in MOUNTER_HOME: \`rootfs-manifest.json\`, which comes with the rootfs, and over it the
        node's own \`node-settings.json\`, where there is one. Both are read at each call, and checked: an error names the
        setting, and in the node's own file the line. Whoever writes them is root on the node: with one that others than
        root can write, nothing is mounted or prepared.`,
      ),
      '.Pp',
      prose(
        `The node's own is a JSON merge patch (RFC 7386): objects are merged, a list is replaced as a whole, and \`null\`
        takes away what the manifest says, so that the default holds. No install and no roll back takes anything out of
        it. On a fleet, mounter manifest daemonset --settings FILE lays some of the settings over the image's own.`,
      ),
      '.Pp',
      prose(
        `In rootfs-manifest.json, \`formatVersion\` is 1, and \`rootfs\` is what the rootfs was built from: it is for the
        build, and no setting.`,
      ),
    ),
    section('SETTINGS', list(rows)),
    section(
      'EXAMPLES',
      '.Bd -literal',
      literal('{"limits": {"mountSeconds": 60}, "filesystems": {"nfs": null}}'),
      '.Ed',
    ),
    section('SEE ALSO', prose('`nfs`(5), `mounter`(8)')),
  ].join('');
}

function head(name: string, number: number, text: string): string {
  const { epoch = 0 } = shippedManifest().rootfs;
  const day = new Intl.DateTimeFormat('en-US', { dateStyle: 'long', timeZone: 'UTC' }).format(epoch * 1000);
  return `.Dd ${day}
.Dt ${name.toUpperCase()} ${number}
.Os
.Sh NAME
.Nm ${name}
.Nd ${text}
`;
}

function section(name: string, ...lines: readonly string[]): string {
  return `.Sh ${name}\n${lines.map((line) => (line.endsWith('\n') ? line : `${line}\n`)).join('')}`;
}

function list(rows: readonly Row[]): string {
  const items = rows.map(([term, text]) => `.It ${quoted(term)}\n${prose(text)}`);
  return `.Bl -tag -width Ds\n${items.join('')}.El\n`;
}

/** One argument of a macro. */
function quoted(term: string): string {
  return `"${styled(term).replaceAll('"', '""')}"`;
}

/** A line for each sentence, and none over 80 bytes, as mdoc(7) asks for. */
function prose(text: string): string {
  const sentences = text
    .replace(/\s+/g, ' ')
    .trim()
    .split(/(?<=[A-Za-z0-9)`"]\.) (?=[A-Z`"])/);
  const lines = sentences.flatMap((sentence) => wrapped(sentence, 60)).map(styled);
  return lines.map((line) => `${line}\n`).join('');
}

/** What stands in code quotes and flags are bold, what stands for a value is in italics. */
function styled(text: string): string {
  const parts = text.split(/(`[^`]*`|(?<![\w/.-])--?[a-z][\w-]*|\b[A-Z]{2,}\b)/);
  const shown = parts.map((part, index) => {
    if (index % 2 === 0) return escaped(part);
    const isValue = /^[A-Z]/.test(part);
    return `\\f${isValue ? 'I' : 'B'}${escaped(part.replaceAll('`', ''))}\\fP`;
  });
  return begun(shown.join(''));
}

function literal(line: string): string {
  return begun(escaped(line));
}

/** A line that begins so would be a request. */
function begun(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** What roff would take for something else: escapes, and hyphens of what is typed. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(
      /[^\x00-\x7f]/g,
      (character) => `\\[u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
