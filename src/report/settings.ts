import type { Host } from '../host/host.ts';
import { describeOwnSettings } from '../manifest/node-settings.ts';
import type { Layout } from '../node/layout.ts';
import { readManifest, readNodeSettings } from '../node/node.ts';
import { maskedSetting } from './masked.ts';

/** What the node goes by, but for what its rootfs is made of. */
export interface SettingsReport {
  readonly settings: readonly Setting[];
  readonly leftOut: number;
}

export interface Setting {
  /** Such as `limits.mountSeconds`. */
  readonly path: string;
  /** As JSON, without secrets. */
  readonly value: string;
  /** The node's own file sets it. */
  readonly isOwn: boolean;
}

const mostSettings = 150;
const longestValue = 600;

/** @throws MounterError (system) where nothing is installed, or the settings are not valid. */
export async function settingsReport(host: Host, layout: Layout): Promise<SettingsReport> {
  const { formatVersion, rootfs, ...manifest } = await readManifest(host, layout);
  const file = readNodeSettings(host, layout);
  const own = file === undefined ? [] : describeOwnSettings(file, manifest).paths;
  const isOwn = (path: string) =>
    own.some((one) => path === one || path.startsWith(`${one}.`) || one.startsWith(`${path}.`));
  const all = flat(manifest).map(([path, value]) => ({
    path,
    value: maskedSetting(path, value).slice(0, longestValue).toWellFormed(),
    isOwn: isOwn(path),
  }));
  const sorted = all.toSorted((a, b) => Number(b.isOwn) - Number(a.isOwn));
  const settings = sorted.slice(0, mostSettings);
  return { settings, leftOut: all.length - settings.length };
}

function flat(value: unknown, path = ''): readonly (readonly [path: string, value: unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]];
  const inner = Object.entries(value);
  if (inner.length === 0) return path === '' ? [] : [[path, value]];
  return inner.flatMap(([name, one]) => flat(one, path === '' ? name : `${path}.${name}`));
}
