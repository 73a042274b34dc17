import { readFileSync, writeFileSync } from 'node:fs';
import { mounterHome, type ScratchNode } from './namespace.ts';

/** Changes the node's `limits`, for the calls that follow. */
export function setLimits(node: ScratchNode, limits: Readonly<Record<string, number>>): void {
  const path = node.path(`${mounterHome}/rootfs-manifest.json`);
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...manifest, limits: { ...manifest.limits, ...limits } }));
}
