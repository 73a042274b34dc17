import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { lockingTypes, offeredTraits, typesThat } from '../mount/filesystems/all.ts';
import { shellWord } from '../shell-word.ts';
import { type DoctorContext, isNetworkMount } from './context.ts';
import { failing, type Judgement, ok, warning } from './finding.ts';

/** A directory that a mount, or a daemon of one, writes to, as it was found. */
export interface ObservedSpace extends Place {
  /** EROFS and the like; undefined when it can be written to. */
  readonly refusal: string | undefined;
  readonly freeBytes: number;
  /** undefined for a filesystem that does not count them. */
  readonly freeInodes: number | undefined;
}

interface Place {
  readonly path: string;
  /** What needs it, such as `rpcbind and rpc.statd`. */
  readonly user: string;
  /** Whose mounts that is. */
  readonly types?: readonly string[];
  /** What it means when nothing can be written there, and when it is full. */
  readonly readOnly: 'failing' | 'warning';
  readonly full: 'failing' | 'warning';
}

/** Where rpcbind, rpc.statd, the FUSE daemons and the record write. One that is missing is seen with the mounts. */
export function checkSpace(context: DoctorContext): readonly Judgement[] {
  const { entries } = context;
  return places(context)
    .filter(({ path }) => !isNetworkMount(path, entries) && existsSync(path))
    .map((place) => judgeSpace({ ...place, ...observe(place.path) }));
}

/**
 * Each was tried: rpcbind and rpc.statd start with a full /run, for their files there are empty, but not with a
 * full /var/lib/nfs; mount.glusterfs with a full disk for its log, and not with a read-only one.
 */
function places({ root, manifest }: DoctorContext): readonly Place[] {
  const hostPathOf = (path: string) =>
    manifest.mounts.mounter.find(({ rootfs }) => rootfs === path)?.host ?? `${root}${path}`;
  const needed = { readOnly: 'failing', full: 'warning' } as const;
  const log = { path: dirname(manifest.log.file), user: 'the record of the mounts' };
  return [
    { path: '/run', user: 'rpcbind, rpc.statd and locks', types: lockingTypes(manifest), ...needed },
    ...offeredTraits(manifest).flatMap((traits) =>
      traits.writesTo.map(({ path, user, full }) => {
        const types = traits.hasLockServices
          ? lockingTypes(manifest)
          : typesThat(manifest, (other) => other === traits);
        // A daemon that a mount apart leaves has a log of its own where this one cannot be written.
        const isSpare = manifest.enter === 'attach' && !traits.hasLockServices;
        return { path: hostPathOf(path), user, types, ...(isSpare ? unneeded : { ...needed, full }) };
      }),
    ),
    ...(manifest.log.to === 'file' ? [{ ...log, ...unneeded }] : []),
  ];
}

const unneeded = { readOnly: 'warning', full: 'warning' } as const;

function observe(path: string): Pick<ObservedSpace, 'refusal' | 'freeBytes' | 'freeInodes'> {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  const freeInodes = files === 0 ? undefined : ffree;
  return { refusal: refusalOf(path), freeBytes: bavail * bsize, freeInodes };
}

/** access(2) tells a read-only mount; mode bits say nothing to root. */
function refusalOf(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

const kibibyte = 1024;
/** A state file, a pid file, a socket: below this one of them may not fit. */
const leastBytes = 64 * kibibyte;
const littleBytes = 16 * kibibyte * kibibyte;

export function judgeSpace(space: ObservedSpace): Judgement {
  const { path, user, types, refusal, freeBytes, freeInodes } = space;
  const say = (level: 'failing' | 'warning', what: string, hint: string) =>
    (level === 'failing' ? failing : warning)(path, `${what}; it is for ${user}`, hint, types);
  if (refusal === 'EROFS') return say(space.readOnly, 'is read-only', remountedHint(path));
  if (refusal !== undefined)
    return say(space.readOnly, `cannot be written to (${refusal})`, `see ls -ld ${shellWord(path)}`);
  if (freeInodes === 0) return say(space.full, 'has no inode left', 'remove files there');
  if (freeBytes < leastBytes) return say(space.full, 'is full', 'make room there');
  const kibibytes = Math.floor(freeBytes / kibibyte);
  const free = kibibytes < kibibyte ? `${kibibytes} KiB` : `${Math.floor(kibibytes / kibibyte)} MiB`;
  if (freeBytes < littleBytes) return say('warning', `has ${free} free`, 'make room there');
  return ok(path, `can be written to, ${free} free`);
}

/** The next action where the filesystem that `path` lies on is read-only. */
export function remountedHint(path: string): string {
  return `run mount -o remount,rw "$(findmnt -no TARGET --target ${shellWord(path)})" && mounter prepare; dmesg may say why it is so`;
}

/** rpc.statd keeps a file for each server it has locks of in `sm`, and those from before the last boot in `sm.bak`. */
export function checkNfsState({ manifest, entries }: DoctorContext): readonly Judgement[] {
  const state = manifest.mounts.mounter.find(({ rootfs }) => rootfs === '/var/lib/nfs')?.host;
  if (state === undefined || isNetworkMount(state, entries) || !existsSync(state)) return [];
  const missing = ['sm', 'sm.bak'].filter((name) => !existsSync(`${state}/${name}`));
  if (missing.length === 0) return [ok(state, 'is complete')];
  return [
    failing(
      state,
      `lacks ${missing.join(' and ')}: rpc.statd does not start`,
      `when no NFSv3 volume is mounted: rm -r ${shellWord(state)} && mounter prepare, which makes it anew`,
      lockingTypes(manifest),
    ),
  ];
}
