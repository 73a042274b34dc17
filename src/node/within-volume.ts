/**
 * Whether a directory is a container's to write in, where nobody mounts a volume.
 * @param path below the kubelet directory. CSI's own volumes are mounted one level below the others, and before, for all
 *   Pods, on a globalmount.
 */
export function isWithinVolume(path: string): boolean {
  // Of nearly every mount: kubelet's own targets are no deeper than that.
  const parts = path.split('/');
  if (parts.length <= 5 && parts[2] !== 'volume-subpaths') return false;
  if (/^pods\/[^/]+\/volume-subpaths\//.test(path)) return true;
  if (/^plugins\/kubernetes\.io\/csi\/[^/]+\/[^/]+\/globalmount\/./.test(path)) return true;
  return (
    /^pods\/[^/]+\/volumes\/[^/]+\/[^/]+\/./.test(path) &&
    !/^pods\/[^/]+\/volumes\/kubernetes\.io~csi\/[^/]+\/mount$/.test(path)
  );
}

/** Whether volumes lie below a directory, which is none itself. @param path below the kubelet directory. */
export function isAboveVolumes(path: string): boolean {
  return /^pods(\/[^/]+\/volumes(\/[^/]+)?)?$/.test(path);
}
