import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { writeLayout } from '../../../scripts/image/layout.ts';
import { composeImage, type Image } from '../../../scripts/image/oci.ts';
import { type RootfsFiles, rootfsImage } from '../../../scripts/image/rootfs-image.ts';
import { mounterExecutable } from '../../../scripts/paths.ts';
import { compress } from '../../../scripts/rootfs/archive.ts';
import { oneManifest } from '../../../scripts/rootfs/pins.ts';
import { parseManifest } from '../../../src/manifest/manifest.ts';
import { toolsDigest, toolsImage, toolsManifest } from '../../../src/node-agent/places.ts';
import { dist, type NodeRequest, type Ran, ScratchNode, shared } from './namespace.ts';
import { digestOf, manifestText, rootfsWith } from './rootfs-versions.ts';

/** The node agent's container on a scratch node: what kubelet and its runtime make of the printed DaemonSet. */

export const anImage = `registry.example/mounter-node-agent@sha256:${'a'.repeat(64)}`;

/** The documents that `mounter manifest ARGV` prints. */
export async function printedDocuments(...argv: readonly string[]): Promise<readonly unknown[]> {
  const { stdout } = await execa(mounterExecutable, ['manifest', ...argv]);
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

/** What of a DaemonSet's container decides how it runs. */
export interface ContainerSpec {
  readonly command: readonly string[];
  readonly readinessProbe: { readonly exec: { readonly command: readonly string[] } };
  readonly securityContext: { readonly capabilities: { readonly add: readonly string[] } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

export async function containerSpec(...flags: readonly string[]): Promise<ContainerSpec> {
  return specIn(await printedDocuments('daemonset', '--image', anImage, ...flags));
}

/** The same with the CSI driver in it. */
export async function driverSpec(...flags: readonly string[]): Promise<ContainerSpec> {
  return specIn(await printedDocuments('csi', '--image', anImage, ...flags));
}

function specIn(documents: readonly unknown[]): ContainerSpec {
  const daemonSet = documents.at(-1) as {
    readonly spec: {
      readonly template: { readonly spec: { readonly containers: readonly ContainerSpec[] } };
    };
  };
  const [container] = daemonSet.spec.template.spec.containers;
  if (container === undefined) throw new Error('no container');
  return container;
}

/** Where a container of `image` has its root in the node. */
const root = '/tmp/container';

/** What kubelet gives a Pod of kube-system. */
const podResolvConf = `search kube-system.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
`;

/** Unpacks the image in the node, once. @param image an OCI layout as the node names it. */
export async function pullImage(node: ScratchNode, image = `${dist}/image-node-agent`): Promise<void> {
  await node.mustRun('install', image, '--into', root);
  writeFileSync(node.path(`${root}/etc/resolv.conf`), podResolvConf);
}

/** The storage tools with the file `/NAME` more in their rootfs: what they are made of, and their image. */
export async function toolsWith(
  name: string,
): Promise<{ readonly files: RootfsFiles; readonly image: Image }> {
  const tar = await rootfsWith(name);
  const { rootfs, ...sections } = JSON.parse(manifestText);
  const text = JSON.stringify({ rootfs: { ...rootfs, digest: digestOf(tar) }, ...sections });
  const manifest = await oneManifest(parseManifest(text, name));
  const files = { tar, tarZst: await compress(tar, 1), manifest, manifestText: text, pins: {} };
  return { files, image: composeImage(await rootfsImage(files, { compression: 'zstd', layers: 1 })) };
}

/** Exchanges the tools image in the container's image for one whose rootfs has the file `/NAME` more. */
export async function upgradeImage(node: ScratchNode, name: string): Promise<void> {
  const { files, image } = await toolsWith(name);
  await writeLayout({ amd64: image }, name, `${node.sharedDirectory}/${name}`);
  writeFileSync(node.path(`${root}${toolsDigest}`), `${image.digest}\n`);
  writeFileSync(node.path(`${root}${toolsManifest}`), files.manifestText);
  await node.shell(`rm -r ${root}${toolsImage}; cp -r ${shared}/${name} ${root}${toolsImage}`);
}

/** The gate's ConfigMap as it is in the container: what is there takes the place of the text before at once. */
export function setGate(node: ScratchNode, state: string): void {
  const path = `${node.sharedDirectory}/gate/state`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, state);
  renameSync(`${path}.new`, path);
}

/** The settings' ConfigMap as it is in the container. */
export function setSettings(node: ScratchNode, settings: unknown): void {
  writeFileSync(`${node.sharedDirectory}/settings.json`, JSON.stringify(settings));
}

/**
 * A shell command that runs `command` in the container: namespaces of its own but for the process ids, a
 * read-only root, its scratch directory, the settings, and no capability but the manifest's.
 */
export function inContainer(spec: ContainerSpec, command: readonly string[]): readonly string[] {
  const scratch = spec.volumeMounts.find(({ name }) => name === 'scratch')?.mountPath;
  const settings = spec.volumeMounts.find(({ name }) => name === 'settings')?.mountPath;
  const gate = spec.volumeMounts.find(({ name }) => name === 'gate')?.mountPath;
  const capabilities = spec.securityContext.capabilities.add.map((name) => `+${name.toLowerCase()}`);
  // The scratch directory outlives one command, as it does in a Pod.
  const script = `set -e
mkdir -p /run/pod-scratch
mount --bind ${root} ${root}
mount -t proc proc ${root}/proc
mount --rbind /dev ${root}/dev
mount --bind /run/pod-scratch ${root}${scratch}
mount --bind -o ro ${shared} ${root}${settings}
mkdir -p ${shared}/gate
mount --bind -o ro ${shared}/gate ${root}${gate}
mount -o remount,bind,ro ${root}
hostname a-pod
exec setpriv --bounding-set=-all,${capabilities.join()} -- chroot ${root} "$@"`;
  const namespaces = ['--mount', '--propagation=private', '--net', '--ipc', '--uts', '--cgroup'];
  return ['unshare', ...namespaces, 'sh', '-c', script, 'sh', ...command];
}

/** One round of the agent. */
export function runOnce(node: ScratchNode, spec: ContainerSpec): Promise<Ran> {
  return node.run(inContainer(spec, [...spec.command, '--once']));
}

/** The agent, running in the node as its container runs it. */
export class RunningAgent {
  readonly #node: ScratchNode;
  readonly #spec: ContainerSpec;
  readonly #running: Promise<Ran>;

  /** @param prefix of the command that runs the container. */
  constructor(node: ScratchNode, spec: ContainerSpec, prefix: readonly string[] = []) {
    this.#node = node;
    this.#spec = spec;
    // For as long as the test takes.
    this.#running = node.run([...prefix, ...inContainer(spec, spec.command)], { timeoutMs: 900_000 });
  }

  /** As kubelet runs it. */
  probe(): Promise<Ran> {
    return probe(this.#node, this.#spec);
  }

  /** Waits for a probe with this status, whose words fit. @returns them. @throws after `seconds`. */
  async until(status: 0 | 1, words: RegExp, seconds = 120): Promise<string> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const ran = await this.probe();
      if (ran.status === status && words.test(ran.stdout)) return ran.stdout;
      if (Date.now() > end)
        throw new Error(`no ${words} with ${status} within ${seconds} s, but ${JSON.stringify(ran)}`);
      // Each probe starts a container: more of them would keep the agent waiting for a CPU.
      await setTimeout(1000);
    }
  }

  get pid(): number {
    const agents = this.#node
      .processesOf('mounter')
      .filter(({ commandLine }) => commandLine.includes('node-agent'));
    const [agent] = agents;
    if (agent === undefined || agents.length > 1) throw new Error(`${agents.length} agents run`);
    return agent.pid;
  }

  /** @returns what it has said, and its status. */
  async end(signal: 'TERM' | 'KILL' = 'TERM'): Promise<Ran> {
    await this.#node.shell(`kill -${signal} ${this.pid}`);
    return await this.ended;
  }

  /** By whoever ends it. */
  get ended(): Promise<Ran> {
    return this.#running;
  }
}

/** The readiness probe. */
export function probe(node: ScratchNode, spec: ContainerSpec): Promise<Ran> {
  return node.run(inContainer(spec, spec.readinessProbe.exec.command));
}

/** This machine's own kernel may have no NFS, for which a node that wants it is never ready. */
export const withoutNfs = { filesystems: { nfs: null, nfs4: null } };

/** A node that has the agent's image, and no NFS to be ready for. */
export async function nodeWithImage(request: NodeRequest = {}): Promise<ScratchNode> {
  const node = await ScratchNode.start(request);
  try {
    setSettings(node, withoutNfs);
    await pullImage(node);
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}
