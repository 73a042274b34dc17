import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import * as v from 'valibot';
import { fileHost } from '../../host/file-host.ts';
import { writeAtomically } from '../../host/replace.ts';
import type { Layout } from '../../node/layout.ts';
import { isDigest } from '../digest.ts';
import { recordPath } from './versions.ts';

/** The record of a version, in `versions/<digest>.json` beside its directory. */

const digest = v.pipe(v.string(), v.check(isDigest));

const recordSchema = v.object({
  digest,
  /** The operator's name for it when it was installed; null where only its directory was found. */
  reference: v.nullable(v.string()),
  /** As `Date.toISOString` writes it. */
  installedAt: v.nullable(v.string()),
  /** On disk, as it was unpacked: what is mounted in it later is not its own. */
  bytes: v.nullable(v.number()),
  /** The manifest it was installed with, as text: a rollback brings it back. */
  manifest: v.string(),
  /** Of the manifest that lay on the node when this one was written: the sha256 of its text; null where there was none. */
  replaces: v.optional(v.nullable(v.string()), null),
  /** The version that was in use when this one was last switched to. */
  previous: v.nullable(digest),
});

export type VersionRecord = v.InferOutput<typeof recordSchema>;

/** Of a version that was installed before there were records, or whose record is damaged. */
export const unknownRecord = {
  reference: null,
  installedAt: null,
  bytes: null,
  replaces: null,
  previous: null,
} as const;

/** @returns undefined where it is missing or damaged: a version works without one. */
export function readRecord(layout: Layout, digest: string): VersionRecord | undefined {
  try {
    const result = v.safeParse(recordSchema, JSON.parse(readFileSync(recordPath(layout, digest), 'utf8')));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** Writes it, unless it is there as it is. */
export function writeRecord(layout: Layout, record: VersionRecord): void {
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  const path = recordPath(layout, record.digest);
  if (fileHost.readText(path) !== text) writeAtomically(path, text, 0o644);
}

export function removeRecord(layout: Layout, digest: string): void {
  rmSync(recordPath(layout, digest), { force: true });
}

/** Bytes on disk of all that is in `directory`, itself included; what has several names once. */
export function diskUsage(directory: string): number {
  const seen = new Set<number>();
  const ask = (path: string): number => {
    const status = lstatSync(path);
    if (seen.has(status.ino)) return 0;
    seen.add(status.ino);
    const own = status.blocks * 512;
    if (!status.isDirectory()) return own;
    return readdirSync(path).reduce((sum, name) => sum + ask(`${path}/${name}`), own);
  };
  return ask(directory);
}
