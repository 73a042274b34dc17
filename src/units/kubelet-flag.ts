import { readdirSync, realpathSync, statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { fileHost } from '../host/file-host.ts';
import { placeInRoot } from '../host/path-in-root.ts';
import { writeAtomically } from '../host/replace.ts';
import type { Layout } from '../node/layout.ts';

/**
 * The flag by which kubelet calls the mounter, among what an operator gives to a kubelet.service like kubeadm's:
 * KUBELET_EXTRA_ARGS. A file that the unit reads (EnvironmentFile=) goes before Environment=, and what is read last goes
 * before all. So the flag is added wherever somebody sets the variable, behind what they say; where nobody does, a
 * drop-in of ours sets it.
 * @see systemd.exec(5) "EnvironmentFile="
 */

export const mounterPathFlag = '--experimental-mounter-path';
export const argumentsVariable = 'KUBELET_EXTRA_ARGS';

export function kubeletFlag({ executable }: Pick<Layout, 'executable'>): string {
  return `${mounterPathFlag}=${executable}`;
}

/** kubeadm's packages have the unit read one of these: Debian's the first, Red Hat's the second. */
const environmentFiles = ['/etc/default/kubelet', '/etc/sysconfig/kubelet'];
const unitFile = 'systemd/system/kubelet.service';
export const dropInFile = 'kubelet.service.d/00-containerized-mounter.conf';

/** A text that sets the variable: where its value lies. */
interface Value {
  readonly start: number;
  readonly end: number;
  /** More words go in here. */
  readonly insertAt: number;
  /** It is one word of a line, without quotes: a second word needs them. */
  readonly isBare: boolean;
}

/**
 * Adds the flag where the variable is set.
 * @returns what was done, a line each; undefined where nobody sets it.
 * @throws MounterError (system) for a unit that is the distribution's, or another mounter's path; (usage) for an odd home.
 */
export function addKubeletFlag(root: string, layout: Layout): readonly string[] | undefined {
  const flag = kubeletFlag(layout);
  if (!/^[\w./=-]+$/.test(flag)) throw notOneWord(layout.executable);
  const texts = settingTexts(root);
  if (texts.length === 0) {
    const [vendors] = textsOf(root, unitFiles(root, ['/run', '/usr/local/lib', '/usr/lib', '/lib']));
    if (vendors !== undefined) throw ofDistribution(vendors.path, flag);
    return undefined;
  }
  return texts.flatMap(({ path, text, values }) => {
    const other = values.map((value) => otherPath(text, value, flag)).find((found) => found !== undefined);
    if (other !== undefined) throw hasOther(path, other, flag);
    return rewrite(path, text, values, (words, value) => withFlag(words, value, flag), 'added');
  });
}

/** Takes away the flag, and nothing else. @returns what was done, a line each. */
export function removeKubeletFlag(root: string, layout: Layout): readonly string[] {
  const own = placeInRoot(root, layout.executable);
  const pattern = new RegExp(`(^|["'\\s])${mounterPathFlag}=([^\\s"'\\\\]+)(?=$|["'\\s\\\\])`, 'g');
  const without = (words: string) =>
    words.replace(pattern, (whole, before, executable) =>
      placeInRoot(root, executable) === own ? before.trim() : whole,
    );
  return settingTexts(root).flatMap(({ path, text, values }) => rewrite(path, text, values, without, 'took'));
}

interface SettingText {
  readonly path: string;
  readonly text: string;
  readonly values: readonly Value[];
}

function settingTexts(root: string): readonly SettingText[] {
  return [
    ...textsOf(root, environmentFiles),
    ...textsOf(root, unitFiles(root, ['/etc'])).filter(({ path }) => !path.endsWith(`/${dropInFile}`)),
  ];
}

function unitFiles(root: string, directories: readonly string[]): readonly string[] {
  return directories.flatMap((directory) => {
    const unit = `${directory}/${unitFile}`;
    return [unit, ...dropInNames(`${root}${unit}.d`).map((name) => `${unit}.d/${name}`)];
  });
}

function dropInNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.conf'));
  } catch {
    return [];
  }
}

/** Those of the files that are there and set the variable. */
function textsOf(root: string, paths: readonly string[]): readonly SettingText[] {
  return paths.flatMap((path) => {
    const text = fileHost.readText(`${root}${path}`);
    if (text === undefined) return [];
    const values = environmentFiles.includes(path) ? valuesInFile(text) : valuesInUnit(text);
    return values.length === 0 ? [] : [{ path: `${root}${path}`, text, values }];
  });
}

/**
 * ```
 * KUBELET_EXTRA_ARGS="--node-ip=10.0.0.7 --v=2"
 * ```
 * The last one counts. Quotes are such at the beginning of a value, or behind another quoted part; a backslash takes
 * the next character, also the end of a line, along.
 * @see systemd's src/basic/env-file.c
 */
function valuesInFile(text: string): readonly Value[] {
  const last = [...text.matchAll(new RegExp(`^[ \\t]*${argumentsVariable}=[ \\t]*`, 'gm'))]
    .filter(({ index }) => !/\\\r?\n$/.test(text.slice(0, index)))
    .at(-1);
  if (last === undefined) return [];
  const start = last.index + last[0].length;
  const [value = '', quoted] =
    /^((?:(?:"(?:[^"\\]|\\.)*"|'[^']*')[ \t]*)+)(?=\r?\n|$)|^(?:[^\n\\]|\\.)*/s.exec(text.slice(start)) ?? [];
  const words = value.trimEnd();
  const end = start + words.length;
  return [{ start, end, insertAt: quoted === undefined ? end : end - 1, isBare: false }];
}

/**
 * ```
 * Environment="KUBELET_EXTRA_ARGS=--node-ip=10.0.0.7 --v=2" OTHER=value
 * ```
 */
function valuesInUnit(text: string): readonly Value[] {
  const assignment = `(["']?)${argumentsVariable}=(["']?)`;
  return [...text.matchAll(new RegExp(`^[ \\t]*Environment=(?:.*?[\\s])??${assignment}`, 'gm'))].map(
    (match) => {
      const [whole, outer = '', inner = ''] = match;
      const quote = outer || inner;
      const start = match.index + whole.length;
      const rest = text.slice(start);
      const length = quote === '' ? rest.search(/\s|$/) : rest.indexOf(quote);
      const end = length < 0 ? text.length : start + length;
      return { start, end, insertAt: end, isBare: quote === '' };
    },
  );
}

function withFlag(words: string, { start, insertAt, isBare }: Value, flag: string): string {
  if (wordsOf(words).includes(flag)) return words;
  const at = insertAt - start;
  const before = words.slice(0, at);
  const space = /^["']?$/.test(before) ? '' : ' ';
  const added = `${before}${space}${flag}${words.slice(at)}`;
  return isBare && space !== '' ? `"${added}"` : added;
}

/** Without the quotes around them and between them. */
function wordsOf(words: string): readonly string[] {
  return words.split(/[\s"'\\]+/);
}

function otherPath(text: string, { start, end }: Value, flag: string): string | undefined {
  return wordsOf(text.slice(start, end)).find((word) => word.startsWith(mounterPathFlag) && word !== flag);
}

function rewrite(
  path: string,
  text: string,
  values: readonly Value[],
  change: (words: string, value: Value) => string,
  verb: 'added' | 'took',
): readonly string[] {
  // From the end: what is changed moves nothing that is still to be.
  const changed = values.toReversed().reduce((now, value) => {
    const { start, end } = value;
    return `${now.slice(0, start)}${change(now.slice(start, end), value)}${now.slice(end)}`;
  }, text);
  if (changed === text) return [];
  const file = realpathSync(path);
  writeAtomically(file, changed, statSync(file).mode & 0o777);
  const where = `${argumentsVariable} in ${path}`;
  return [
    verb === 'added' ? `added ${mounterPathFlag} to ${where}` : `took ${mounterPathFlag} out of ${where}`,
  ];
}

function notOneWord(executable: string): MounterError {
  return new MounterError(
    `no word of ${argumentsVariable} can name it: it has other characters than letters, digits, . _ and -`,
    {
      subject: executable,
      status: exitCode.usage,
      hint: 'mounter install SOURCE --home DIR, such as /opt/mounter, then this by the mounter in there',
    },
  );
}

function hasOther(path: string, other: string, flag: string): MounterError {
  return new MounterError(`gives kubelet another mounter already: ${other}`, {
    subject: path,
    status: exitCode.system,
    hint: `write ${flag} in its place, or leave it so`,
  });
}

function ofDistribution(path: string, flag: string): MounterError {
  return new MounterError(`sets ${argumentsVariable} itself, and is not the operator's to change`, {
    subject: path,
    status: exitCode.system,
    hint: `write ${argumentsVariable} with the same words and ${flag} to ${environmentFiles[0]}, or have systemctl edit kubelet set it`,
  });
}
