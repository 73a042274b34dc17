import { fileHost } from '../host/file-host.ts';
import { mountAt, parseMountinfo } from '../host/mountinfo.ts';
import { CsiError } from './csi-error.ts';
import type { NodeHost } from './node-host.ts';
import type { Request } from './protocol.ts';
import type { Answers } from './server.ts';
import { Turns } from './turns.ts';

/** SINGLE_NODE_SINGLE_WRITER of the specification: what kubelet makes of ReadWriteOncePod. */
const singleWriter = 6;

/** A volume for one Pod alone is published at one path at a time, as the kernel's mounts have it. */
export function oneWriterEach(node: Answers<'Node'>, host: NodeHost): Answers<'Node'> {
  const turns = new Turns();
  return {
    ...node,
    NodePublishVolume: (request, signal) => {
      if (request.volumeCapability?.accessMode?.mode !== singleWriter)
        return node.NodePublishVolume(request, signal);
      return turns.take(request.volumeId, signal, async () => {
        refuseSecond(request, host);
        return node.NodePublishVolume(request, signal);
      });
    },
  };
}

/** @throws CsiError (FAILED_PRECONDITION) where another path shows what is staged. */
function refuseSecond({ stagingTargetPath, targetPath }: Request<'NodePublishVolume'>, host: NodeHost): void {
  const own = [stagingTargetPath, targetPath].flatMap((path) => [path, host.placeOf(path)]);
  const entries = parseMountinfo(fileHost.readText('/proc/1/mountinfo') ?? '');
  const staged = mountAt(entries, host.placeOf(stagingTargetPath));
  const other = entries.find(
    ({ device, root, mountPoint }) =>
      device === staged?.device &&
      root === staged.root &&
      // Where the rootfs is entered by chroot(2), it shows both once more, below its own path.
      !own.some((path) => mountPoint.endsWith(path)),
  );
  if (other !== undefined)
    throw new CsiError(
      'FAILED_PRECONDITION',
      `the volume is for one Pod alone (ReadWriteOncePod), and ${other.mountPoint} shows it; it is published once that Pod is gone`,
    );
}
