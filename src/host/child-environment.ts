/** Where programs are on the host and in the rootfs; what kubelet's PATH says has no say in it. */
export const programDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * In the environment of what we run: a mount helper that is mounter again knows itself by it. A full executable that
 * the front runs is no mount helper, whatever its file is called.
 */
export const callerMark = 'MOUNTER_CALLS';
export const calledByFront = 'front';

/** Nothing of kubelet's environment: mount.glusterfs takes its own variables from it. */
export const environment = { PATH: programDirectories.join(':'), LC_ALL: 'C', [callerMark]: 'helper' };

/** In the environment of the front that a full executable has in itself: the path of that one's file. */
export const fullVariable = 'MOUNTER_FULL';
