/** Where things are in the image of the node agent; `npm run image` puts them there. */

/** The image of the storage tools as an OCI layout: what the agent installs on its node, with no network. */
export const toolsImage = '/usr/share/containerized-mounter/image';
/** Digest of that image's manifest, in a line of its own. */
export const toolsDigest = '/usr/share/containerized-mounter/image.digest';
/** The manifest it is installed with, before the settings. */
export const toolsManifest = '/usr/share/containerized-mounter/rootfs-manifest.json';
export const agentExecutable = '/usr/bin/mounter';

/** The DaemonSet mounts its ConfigMap here; see settings.ts. */
export const settingsDirectory = '/etc/containerized-mounter';
export const settingsPath = `${settingsDirectory}/settings.json`;

/** The one directory that the agent writes to: in memory, and gone with the container. */
export const scratchDirectory = '/run/node-agent';
/** The manifest with the settings in it. */
export const manifestPath = `${scratchDirectory}/rootfs-manifest.json`;
/** What the last round came to, for the readiness probe; missing after one that failed. */
export const outcomePath = `${scratchDirectory}/outcome`;
