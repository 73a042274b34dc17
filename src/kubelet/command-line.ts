import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { ImageRecord } from '../image/versions/image-record.ts';

/** The command that becomes the kubelet. */
export interface KubeletCommand {
  /** argv; the first word a path, or a name to look up in PATH. */
  readonly argv: readonly string[];
  /** How many of argv's words, its last ones, are the caller's. */
  readonly given: number;
  /** Variables for which the caller's environment has no value. */
  readonly environment: ReadonlyMap<string, string>;
  /** Where argv's first word is looked up: the image's PATH, then the caller's, which is about the host. */
  readonly path: string;
  /** The image's alone. */
  readonly imagePath: string;
  /** The image's own, a path in the image; `/` where it names none. */
  readonly workingDirectory: string;
}

/** An image's when it says nothing: that of Docker. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * @param words what stands after `--`: a command with its flags, or flags alone for the image's own command.
 * @param passed flags of ours that the image's own command is to have as well.
 * @throws MounterError (usage) when nobody names a command.
 */
export function kubeletCommand(
  words: readonly string[],
  image: ImageRecord | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  root: string,
  passed: readonly string[] = [],
): KubeletCommand {
  const [first] = words;
  const isCommand = first !== undefined && !first.startsWith('-');
  const argv = isCommand ? words : [...commandOfImage(image, words), ...passed, ...words];
  if (argv[0] === undefined || argv[0].startsWith('-')) throw noCommand(root);
  const own = variablesOf(image?.env ?? []);
  return {
    argv,
    given: words.length,
    environment: new Map([...own].filter(([name]) => environment[name] === undefined)),
    path: [own.get('PATH'), environment.PATH].filter((path) => path !== undefined).join(':'),
    imagePath: own.get('PATH') ?? '',
    workingDirectory: image?.workingDirectory || '/',
  };
}

/**
 * argv as bytes: the caller's words need not be UTF-8.
 * @param own this process's arguments as the kernel has them; the caller's words are the last of them.
 */
export function argvBytes(
  { argv, given }: Pick<KubeletCommand, 'argv' | 'given'>,
  own: readonly Buffer[],
): readonly Buffer[] {
  const ofImage = argv.slice(0, argv.length - given).map((word) => Buffer.from(word));
  return given === 0 ? ofImage : [...ofImage, ...own.slice(-given)];
}

/** Entrypoint and Cmd; flags in Cmd are defaults, and give way to the caller's. */
function commandOfImage(image: ImageRecord | undefined, flags: readonly string[]): readonly string[] {
  if (image === undefined) return [];
  const { entrypoint, cmd } = image;
  const firstFlag = cmd.findIndex((word) => word.startsWith('-'));
  return [...entrypoint, ...(flags.length === 0 || firstFlag < 0 ? cmd : cmd.slice(0, firstFlag))];
}

function variablesOf(entries: readonly string[]): ReadonlyMap<string, string> {
  const variables = new Map([['PATH', defaultPath]]);
  for (const entry of entries) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return variables;
}

/**
 * The kubelet's own `--root-dir`, which has to be the directory that is shared with it.
 * @returns undefined where the words do not say it.
 */
export function rootDirectoryFlag(words: readonly string[]): string | undefined {
  const index = words.findLastIndex((word) => /^--?root-dir(=|$)/.test(word));
  if (index < 0) return undefined;
  const equals = words[index]?.indexOf('=') ?? -1;
  return equals < 0 ? words[index + 1] : words[index]?.slice(equals + 1);
}

function noCommand(root: string): MounterError {
  return new MounterError('no command is given, and none is known of the image', {
    subject: root,
    status: exitCode.usage,
    hint: 'mounter kubelet -- /path/of/kubelet FLAGS…; or extract the image with mounter install IMAGE --into DIR, which remembers its command',
  });
}
