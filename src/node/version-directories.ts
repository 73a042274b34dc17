import { existsSync, readdirSync } from 'node:fs';
import type { Layout } from './layout.ts';

/** The directories of all installed versions. */
export function versionDirectories({ versions }: Layout): readonly string[] {
  if (!existsSync(versions)) return [];
  return readdirSync(versions)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => `${versions}/${name}`);
}
