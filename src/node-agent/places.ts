/** Where things are in the image of the node agent; `npm run image` puts them there. */

/** The image of the storage tools as an OCI layout: what the agent installs on its node, with no network. */
export const toolsImage = '/usr/share/containerized-mounter/image';
/** Digest of that image's manifest, in a line of its own. */
export const toolsDigest = '/usr/share/containerized-mounter/image.digest';
/** The manifest it is installed with, before the settings. */
export const toolsManifest = '/usr/share/containerized-mounter/rootfs-manifest.json';
export const agentExecutable = '/usr/bin/mounter';
/** The readiness probe, for this shell; see outcome.ts. */
export const probeCommand = ['/bin/sh', '/usr/share/containerized-mounter/ready'] as const;

/** The DaemonSet mounts its ConfigMap here, where there is one; see settings.ts. */
export const settingsDirectory = '/etc/containerized-mounter';
export const settingsPath = `${settingsDirectory}/settings.json`;
/** And the gate's here; see gate.ts. */
export const gateDirectory = '/etc/containerized-mounter-gate';
export const gatePath = `${gateDirectory}/state`;

/** The one directory that the agent writes to: in memory. It outlives the container, and is gone with the Pod. */
export const scratchDirectory = '/run/node-agent';
/** The manifest with the settings in it. */
export const manifestPath = `${scratchDirectory}/rootfs-manifest.json`;
/** What the readiness probe reads. */
export const outcomePath = `${scratchDirectory}/outcome`;
