/** Where programs are on the host and in the rootfs; what kubelet's PATH says has no say in it. */
export const programDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** In the environment of what we run: a mount helper that is mounter again knows itself by it. */
export const callerMark = 'MOUNTER_CALLS';

/** Nothing of kubelet's environment: mount.glusterfs takes its own variables from it. */
export const environment = { PATH: programDirectories.join(':'), LC_ALL: 'C', [callerMark]: 'helper' };
