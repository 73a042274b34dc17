import type { OptionRule } from './getopt.ts';

export type TextName = 'types' | 'options' | 'source' | 'target' | 'asker';
export type FlagName =
  | 'fake'
  | 'noMtab'
  | 'sloppy'
  | 'verbose'
  | 'noCanonicalize'
  | 'dryRun'
  | 'json'
  | 'help';

/** An option: a flag, a text, its own or what it `implies`, or one that is `refused`, with what to do in its place. */
export type MountRule = OptionRule &
  (
    | { readonly text: TextName; readonly implies?: string; readonly refused?: never }
    | { readonly flag: FlagName; readonly refused?: never }
    | { readonly refused: string }
  );

function flag(flag: FlagName, ...names: readonly string[]): MountRule {
  return { names, value: 'none', flag };
}

function text(text: TextName, ...names: readonly string[]): MountRule {
  return { names, value: 'required', text };
}

function option(implies: string, ...names: readonly string[]): MountRule {
  return { names, value: 'none', text: 'options', implies };
}

function refused(refused: string, value: OptionRule['value'], ...names: readonly string[]): MountRule {
  return { names, value, refused };
}

const hostMount = "use the host's own mount for it";
const noFstab = "mounter reads no fstab: name one SOURCE and TARGET, or use the host's own mount";
const noLabel = 'name the source itself: SERVER:/PATH or SERVER:VOLUME';
const noNamespace = 'run the mount inside that namespace: nsenter --mount=FILE -- mounter mount ...';

/** What mount(8) calls a helper with ("EXTERNAL HELPERS"), the spellings mount.nfs(8) adds to it, and our own. */
export const helperRules: readonly MountRule[] = [
  text('types', '-t'),
  text('options', '-o', '--options'),
  option('ro', '-r', '--ro', '--read-only'),
  option('rw', '-w', '--rw', '--read-write'),
  flag('fake', '-f', '--fake'),
  flag('noMtab', '-n', '--no-mtab'),
  flag('sloppy', '-s', '--sloppy'),
  flag('verbose', '-v', '--verbose'),
  flag('help', '-h', '--help'),
  flag('dryRun', '--dry-run'),
  flag('json', '--json'),
  refused(noNamespace, 'required', '-N'),
];

/** mount(8) of util-linux 2.38, option by option, and our own. */
export const mountRules: readonly MountRule[] = [
  text('types', '-t', '--types'),
  text('options', '-o', '--options'),
  text('source', '--source'),
  text('target', '--target'),
  text('asker', '--asker'),
  option('ro', '-r', '--ro', '--read-only'),
  option('rw', '-w', '--rw', '--read-write'),
  flag('fake', '-f', '--fake'),
  flag('noMtab', '-n', '--no-mtab'),
  flag('sloppy', '-s'),
  flag('verbose', '-v', '--verbose'),
  flag('noCanonicalize', '-c', '--no-canonicalize'),
  flag('help', '-h', '--help'),
  flag('dryRun', '--dry-run'),
  flag('json', '--json'),
  refused(noFstab, 'none', '-a', '--all'),
  refused(noFstab, 'none', '-F', '--fork'),
  refused(noFstab, 'required', '-T', '--fstab'),
  refused(noFstab, 'required', '-O', '--test-opts'),
  refused(noFstab, 'required', '--options-mode'),
  refused(noFstab, 'required', '--options-source'),
  refused(noFstab, 'none', '--options-source-force'),
  ...['-B --bind', '-R --rbind', '-M --move'].map((names) => refused(hostMount, 'none', ...names.split(' '))),
  ...['shared', 'slave', 'private', 'unbindable'].flatMap((type) => [
    refused(hostMount, 'none', `--make-${type}`),
    refused(hostMount, 'none', `--make-r${type}`),
  ]),
  refused(noLabel, 'required', '-L', '--label'),
  refused(noLabel, 'required', '-U', '--uuid'),
  refused(noNamespace, 'required', '-N', '--namespace'),
  refused(hostMount, 'none', '-i', '--internal-only'),
  refused('see mounter status for what is mounted', 'none', '-l', '--show-labels'),
  refused('make the target first with mkdir -p, then mount', 'optional', '-m', '--mkdir'),
  refused('give the whole path as the target', 'required', '--target-prefix'),
  refused('see mounter version', 'none', '-V', '--version'),
];
