import type { Host } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { type Layout, runDirectory } from './layout.ts';

/** The off switch of this node: a file, which needs no manifest, and stays through every install and roll back. */

/** Where the file is; the second one lasts until the next boot, for a home that cannot be written to. */
export function offFiles({ home }: Layout): readonly [lasting: string, untilBoot: string] {
  return [`${home}/disabled`, `${runDirectory}/disabled`];
}

/** There while an `enable` gives mount(8) its helpers back: one that is killed meanwhile leaves it to the next. */
export function helpersWanted(offFile: string): string {
  return `${offFile}.helpers`;
}

/** What the file says, a line each. */
export interface Off {
  /** The fleet's gate takes back what the fleet has turned off, and nothing else. */
  readonly isFleets: boolean;
  /** Whether mount(8)'s helpers of ours were taken away: they come back when it is turned on. */
  readonly hadHelpers: boolean;
}

const [byHand, byFleet, withHelpers] = ['mounter disable', "the DaemonSet's gate", 'took helpers away'];

export function offText({ isFleets, hadHelpers }: Off): string {
  return `${[isFleets ? byFleet : byHand, ...(hadHelpers ? [withHelpers] : [])].join('\n')}\n`;
}

/** @param text of the file. What is no text of ours is somebody's own switch, made by hand. */
export function parseOff(text: string): Off {
  const lines = text.split('\n');
  return { isFleets: lines[0] === byFleet, hadHelpers: lines.includes(withHelpers) };
}

/** The file that turns the mounter off on this node. @returns undefined where it is on. */
export function offFile(host: Pick<Host, 'lstat'>, layout: Layout): string | undefined {
  return offFiles(layout).find((path) => isThere(host, path));
}

/** The directory of the second one is root's alone: nobody else is asked about it. */
function isThere(host: Pick<Host, 'lstat'>, path: string): boolean {
  try {
    return host.lstat(path) !== undefined;
  } catch {
    return false;
  }
}

/** What turns the mounter off on this node, in words; undefined where it is on. @param settings undefined: unreadable. */
export function whyOff(
  host: Pick<Host, 'lstat' | 'readText'>,
  layout: Layout,
  settings: Pick<NodeSettings, 'enabled'> | undefined,
): string | undefined {
  return offFile(host, layout) ?? offBySettings(host, layout, settings);
}

/** The same of the settings alone. */
export function offBySettings(
  host: Pick<Host, 'readText'>,
  layout: Layout,
  settings: Pick<NodeSettings, 'enabled'> | undefined,
): string | undefined {
  return settings?.enabled === false ? `"enabled": false in ${fileThatTurnsOff(host, layout)}` : undefined;
}

/** Of the two files with settings the one that says it. */
export function fileThatTurnsOff(host: Pick<Host, 'readText'>, { manifest, nodeSettings }: Layout): string {
  try {
    return JSON.parse(host.readText(nodeSettings) ?? '{}').enabled === false ? nodeSettings : manifest;
  } catch {
    return manifest; // It is another one by now.
  }
}
