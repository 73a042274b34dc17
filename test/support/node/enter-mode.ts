import { readFile, writeFile } from 'node:fs/promises';

/** How a call gets into the rootfs: `enter` of the manifest. */
export const enterModes = ['chroot', 'attach'] as const;
export type EnterMode = (typeof enterModes)[number];

/** In the manifest of an installed node, as an operator changes it; its next prepare goes by it. */
export async function setEnter(home: string, enter: EnterMode): Promise<void> {
  const path = `${home}/rootfs-manifest.json`;
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), enter }));
}
