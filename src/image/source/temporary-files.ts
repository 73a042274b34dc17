import { readdir, rm } from 'node:fs/promises';

/** What this program calls its files in the download directory; nothing else there begins so. */
const prefixes = ['blob-', 'source-'];

/** Removes what downloads have left, those of killed runs and other images included. */
export async function removeDownloads(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (prefixes.some((prefix) => name.startsWith(prefix))) await rm(`${directory}/${name}`, { force: true });
}
