import { copyFileSync, lstatSync, rmSync } from 'node:fs';
import { replace } from '../../host/replace.ts';
import type { Layout } from '../../node/layout.ts';

/**
 * Hands etc/resolv.conf of the rootfs in use on to another one: kubelet writes it at its start, and not again
 * when the rootfs changes. A symlink is not handed on: it is none of kubelet's writing.
 */
export function inheritResolvConf(layout: Layout, root: string): void {
  const current = `${layout.rootfs}/etc/resolv.conf`;
  const next = `${root}/etc/resolv.conf`;
  if (!lstatSync(current, { throwIfNoEntry: false })?.isFile()) return;
  replace(next, (unfinished) => copyFileSync(current, unfinished));
}

/** An image's own is of the machine that built it, and would be taken for kubelet's. */
export function removeImagesResolvConf(root: string): void {
  rmSync(`${root}/etc/resolv.conf`, { force: true });
}
