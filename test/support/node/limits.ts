import { readFileSync, writeFileSync } from 'node:fs';
import { mounterHome, type ScratchNode } from './namespace.ts';

/**
 * Changes the node's manifest, for the calls that follow.
 * @param limits over those that it has.
 * @param sections in the place of its own.
 */
export function setLimits(
  node: ScratchNode,
  limits: Readonly<Record<string, number>>,
  sections: Readonly<Record<string, unknown>> = {},
): void {
  const path = node.path(`${mounterHome}/rootfs-manifest.json`);
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(
    path,
    JSON.stringify({ ...manifest, ...sections, limits: { ...manifest.limits, ...limits } }),
  );
}
