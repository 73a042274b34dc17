import { readPages } from '../../../scripts/docs/derived.ts';
import { rowsOf as rowsOfTable } from '../../../scripts/docs/markdown.ts';

export { namesIn } from '../../../scripts/docs/markdown.ts';

/** README.md and the pages in docs/, as the tests read them: text by file, such as `docs/settings.md`. */
export const pages = readPages();

/** @throws Error where there is no such page. */
export function page(file: string): string {
  const text = pages.get(file);
  if (text === undefined) throw new Error(`there is no ${file}`);
  return text;
}

export interface Section {
  readonly heading: string;
  /** One line each: continued lines are joined, comments gone. */
  readonly commands: readonly string[];
  /** Its tables' rows, cell by cell, without the headings. */
  readonly rows: readonly (readonly string[])[];
}

/** In the pages' order. @throws Error for a fenced block of a language that nobody here knows. */
export const sections: readonly Section[] = [...pages.values()]
  .flatMap((text) => text.split(/^(?=#{1,3} )/m))
  .map((text) => ({ heading: headingOf(text), commands: commandsOf(text), rows: rowsOf(text) }));

/** @throws Error where no page has it, or more than one. */
export function section(heading: string): Section {
  const [found, another] = sections.filter((one) => one.heading === heading);
  if (found === undefined || another !== undefined) throw new Error(`not one section is called ${heading}`);
  return found;
}

/**
 * Where the commands of a section are run by a test, all of them, in their order: in a fresh copy of the
 * repository, on a scratch node, on one that has the original mounter, in the test VM with systemd, or in a release.
 */
export const places: Readonly<Record<Place, readonly string[]>> = {
  checkout: ['See it work', 'Build it', 'On a fleet']
    .concat(['Turn it off everywhere', 'Machines that are built at their first boot', 'Volumes by CSI'])
    .concat('Set up'),
  migration: ['From the original mounter'],
  scratchNode: ['A kubelet in an image', 'Upgrade, roll back'],
  guest: ['On one node', "Without kubelet's flag", 'Turn it off', 'When it does not mount', 'Remove it'],
  release: ['Verify it'],
};

type Place = 'checkout' | 'scratchNode' | 'migration' | 'guest' | 'release';

/** The names that the commands use for places of the reader's, and what a test has in their stead. */
export type Substitutions = Readonly<Record<string, string>>;

export function substitute(command: string, substitutions: Substitutions): string {
  return Object.entries(substitutions).reduce((text, [from, to]) => text.replaceAll(from, to), command);
}

/** Commands that set a variable of the shell, which those after it see. */
export function isAssignment(command: string): boolean {
  return /^[A-Z]+=\S*$/.test(command);
}

function headingOf(text: string): string {
  return /^#+ (.*)/.exec(text)?.[1] ?? '';
}

function commandsOf(text: string): readonly string[] {
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].flatMap(([, language, block = '']) => {
    if (language === '') return [];
    if (language !== 'sh') throw new Error(`a page has a block of ${language}, which no test runs`);
    const lines = block.replace(/\\\n\s*/g, '').split('\n');
    return lines.map((line) => line.replace(/(^|\s+)#.*/, '')).filter((line) => line !== '');
  });
}

function rowsOf(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^\|.*\|\n\|[-|]+\|\n(?:\|.*\|\n)*/gm)].flatMap(([table]) => rowsOfTable(table));
}
