import { writeAtomically } from '../host/replace.ts';
import { startStatdScript } from '../lock-services/start-statd.ts';
import type { Manifest, ManifestMount } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import type { NodeContext } from '../node/node.ts';

/** A changed script gets a file of its own: sh reads the old one while it runs. @returns what was done, a line each. */
export function writeStartStatd({ host, layout, manifest }: NodeContext): readonly string[] {
  const script = startStatdScript(manifest);
  if (host.readText(layout.startStatd) === script) return [];
  writeAtomically(layout.startStatd, script, 0o755);
  return [`wrote ${layout.startStatd}`];
}

export function startStatdMount(layout: Layout, manifest: Manifest): ManifestMount {
  const path = manifest.daemons.startStatd;
  return {
    host: layout.startStatd,
    rootfs: path,
    type: 'bind',
    access: 'rw',
    propagation: 'private',
    optional: false,
  };
}
