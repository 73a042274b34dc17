import { lstatSync, readdirSync } from 'node:fs';

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
