import { writeFile } from 'node:fs/promises';

/** How a call gets into the rootfs: `enter` of the settings. */
export const enterModes = ['chroot', 'attach'] as const;
export type EnterMode = (typeof enterModes)[number];

/** In the settings of an installed node, as an operator changes it; its next prepare goes by it. */
export async function setEnter(home: string, enter: EnterMode): Promise<void> {
  await writeFile(`${home}/node-settings.json`, JSON.stringify({ enter }));
}
