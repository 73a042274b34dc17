import shipped from '../../rootfs-manifest.json' with { type: 'json' };
import { type Manifest, parseManifest } from './manifest.ts';

/** The manifest that this mounter was built with, as JSON. */
export const shippedText = JSON.stringify(shipped);

/** The same, checked. */
export function shippedManifest(): Manifest {
  return parseManifest(shippedText, 'the manifest that this mounter was built with');
}
