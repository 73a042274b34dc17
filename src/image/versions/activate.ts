import { copyFileSync, existsSync, lstatSync, realpathSync, rmSync } from 'node:fs';
import type { Host } from '../../host/host.ts';
import { mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import { replace, writeAtomically } from '../../host/replace.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Layout } from '../../node/layout.ts';
import type { BareNode } from '../../node/node.ts';
import { otherPins, pinsOfOthers } from '../../prepare/namespace/pins.ts';
import { prepareRootfs } from '../../prepare/prepare.ts';
import { takeOver } from '../../prepare/prepare-node.ts';
import { changesBetween } from './node-edits.ts';
import { readRecord, unknownRecord, writeRecord } from './version-record.ts';
import { currentDigest, switchTo, versionPath } from './versions.ts';

/** A version to be switched to: complete, checked and on record. */
export interface Activation {
  readonly digest: string;
  /** With the node's own settings in it. */
  readonly manifest: Manifest;
  /** As it was installed. */
  readonly manifestText: string;
}

/**
 * Switches the rootfs to a version, with its manifest. Everything that can fail comes before the switch,
 * which is one rename. Under the node's lock.
 * @returns what was done, a line each; nothing where it is in use already.
 */
export async function activateVersion(
  activation: Activation,
  { layout, host }: BareNode,
): Promise<readonly string[]> {
  const { digest, manifest } = activation;
  const done: string[] = [];
  const previous = currentDigest(layout);
  const root = realpathSync(versionPath(layout, digest));
  const isPrepared = isInUse(layout, host);
  const context = { host, layout, manifest };
  if (previous !== digest && previous !== undefined) {
    inheritResolvConf(layout, versionPath(layout, digest));
    rememberPrevious(layout, digest, previous, host);
  }
  // Mounts go on while we switch: the version is ready, as its manifest has it, before anything leads to it.
  if (isPrepared) done.push(...(await prepareRootfs(root, context)));
  done.push(...placeManifest(activation, { layout, host }));
  if (previous !== digest) {
    switchTo(layout, digest);
    done.push(`switched ${layout.rootfs} to it`);
  }
  if (isPrepared) done.push(...(await takeOver(root, context)));
  return done;
}

/** What was edited in the one that is replaced has been kept before: node-edits.ts. */
function placeManifest(
  { manifest, manifestText: text }: Activation,
  { layout, host }: BareNode,
): readonly string[] {
  const current = host.readText(layout.manifest);
  if (current === text) return [];
  writeAtomically(layout.manifest, text, 0o644);
  const changes = current === undefined ? [] : changesBetween(current, text);
  return [
    `wrote ${layout.manifest}${changes.length === 0 ? '' : `; it changes ${changes.join(', ')}`}`,
    ...(current !== undefined && isTurnedOff(current) && manifest.enabled
      ? ['the mounter was turned off on this node ("enabled": false), and is on now']
      : []),
  ];
}

/** Whether the manifest says so, which need not be valid. */
function isTurnedOff(text: string): boolean {
  try {
    return JSON.parse(text).enabled === false;
  } catch {
    return false;
  }
}

/**
 * Whether the node was prepared, perhaps from another manifest or not to the end. A damaged version that has been
 * exchanged is not prepared, and the pin of its namespace is there all the same.
 */
function isInUse(layout: Layout, host: Host): boolean {
  if (!existsSync(layout.rootfs)) return false;
  const others = pinsOfOthers(layout, host);
  const entries = readMountinfo(host);
  return (
    otherPins(others, entries).length > 0 || mountsBelow(entries, realpathSync(layout.rootfs)).length > 0
  );
}

/**
 * On the record of the version that is switched to: killed before the switch, it says nothing yet, for only
 * the current version's record is asked.
 */
function rememberPrevious(layout: Layout, digest: string, previous: string, host: Host): void {
  const record = readRecord(layout, digest);
  if (record !== undefined) writeRecord(layout, { ...record, previous });
  // It was installed before there were records: a rollback to it needs its manifest.
  const manifest = host.readText(layout.manifest);
  if (manifest === undefined || !existsSync(versionPath(layout, previous))) return;
  if (readRecord(layout, previous) !== undefined) return;
  writeRecord(layout, { ...unknownRecord, digest: previous, manifest });
}

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
