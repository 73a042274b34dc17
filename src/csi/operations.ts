import { status } from '@grpc/grpc-js';
import { fileHost } from '../host/file-host.ts';
import { topmostAt } from '../host/mountinfo.ts';
import { writeAtomically } from '../host/replace.ts';
import { volumeKinds } from '../mount/filesystems/all.ts';
import {
  type CsiTotals,
  csiTotalsFile,
  csiTotalsText,
  parseCsiTotals,
  plusOperation,
} from '../record/csi-metrics.ts';
import type { NodeHost } from './node-host.ts';
import type { Request } from './protocol.ts';
import type { Ended } from './server.ts';
import { volumeOf } from './volume.ts';

/** Counts what kubelet asks for a volume; `mounter status --metrics`, which is another process, reads it from a file. */

/** The others are asked all the time, and say nothing. */
const countedMethods = [
  'NodeStageVolume',
  'NodeUnstageVolume',
  'NodePublishVolume',
  'NodeUnpublishVolume',
  'NodeGetVolumeStats',
];

/** From a call to the file: a driver that is killed loses so much. */
const writeMs = 1000;

export class OperationCounter {
  readonly #host: NodeHost;
  readonly #file: string;
  #totals: CsiTotals;
  #writing: NodeJS.Timeout | undefined;

  constructor(host: NodeHost) {
    this.#host = host;
    this.#file = host.pathOf(csiTotalsFile);
    this.#totals = parseCsiTotals(ifItSucceeds(() => fileHost.readText(this.#file)));
  }

  /** @returns undefined for a call that is not counted; else what tells of its end. */
  begin(method: string, request: object): ((ended: Ended) => void) | undefined {
    if (!countedMethods.includes(method)) return undefined;
    // Now: what is taken away has no type then.
    const type = typeOf(request, this.#host);
    return ({ code, seconds }) => {
      const operation = { method, code: status[code] ?? String(code), type };
      this.#totals = plusOperation(this.#totals, operation, seconds * 1000);
      this.#writing ??= setTimeout(() => this.write(), writeMs).unref();
    };
  }

  write(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    // Its directory is there once the node is prepared.
    ifItSucceeds(() => writeAtomically(this.#file, csiTotalsText(this.#totals), 0o644));
  }
}

/** By what the request says; where it says nothing, by what is mounted on its path. */
function typeOf(request: object, host: NodeHost): string {
  const { volumeContext, volumeCapability, targetPath, stagingTargetPath, volumePath } = request as Partial<
    Request<'NodePublishVolume'> & Request<'NodeGetVolumeStats'>
  >;
  const known = ifItSucceeds(() =>
    volumeContext === undefined
      ? mountedKind(host.placeOf(volumePath || targetPath || stagingTargetPath || ''))
      : volumeOf(volumeContext, volumeCapability ?? null).fstype,
  );
  return known ?? 'unknown';
}

/** As process 1 sees it: a container has other mounts than its host. */
function mountedKind(path: string): string | undefined {
  const entry = topmostAt(fileHost.readText('/proc/1/mountinfo') ?? '', path);
  return volumeKinds.find(({ kernelTypes }) => entry !== undefined && kernelTypes.includes(entry.fstype))
    ?.kind;
}

/** Nothing that is counted is worth a call. */
function ifItSucceeds<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
