import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { status } from '@grpc/grpc-js';
import { MounterError, printable } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Output } from '../host/output.ts';
import { effectiveManifest } from '../manifest/node-settings.ts';
import { identityMounts } from '../manifest/shared-mounts.ts';
import { volumeKinds } from '../mount/filesystems/all.ts';
import type { Layout } from '../node/layout.ts';
import { toolsManifest } from '../node-agent/places.ts';
import { type NodeHost, readFileOf } from './node-host.ts';
import { nodeService } from './node-service.ts';
import { OperationCounter } from './operations.ts';
import { type Answers, type Ended, type Observe, serve } from './server.ts';
import { oneWriterEach } from './single-writer.ts';
import { explainingOff, whyOffOn } from './turned-off.ts';

/** The CSI driver: Identity and Node service, and its own registration with kubelet, under one name or several. */

export interface DriverRequest {
  readonly names: readonly string[];
  readonly version: string;
  readonly nodeId: string;
  readonly layout: Layout;
  readonly host: NodeHost;
  readonly output: Output;
}

export interface RunningDriver {
  /** What it waits for; undefined once kubelet has registered it under all of its names. */
  lacks(): string | undefined;
  close(): void;
}

/** @throws MounterError (system) where a socket cannot be served, or kubelet has no directory. */
export async function startDriver(request: DriverRequest): Promise<RunningDriver> {
  const { names, version, host, layout, output } = request;
  const kubeletDirectory = kubeletDirectoryOf(request);
  requireDirectory(kubeletDirectory, host);
  const registered = new Set<string>();
  const node = explainingOff(oneWriterEach(nodeService(host, request.nodeId), host), host, layout);
  const counter = new OperationCounter(host);
  const observe: Observe = (method, asked) => {
    const count = counter.begin(method, asked);
    return (ended) => {
      count?.(ended);
      if (ended.code !== status.OK) output.err(lineOf(method, ended));
    };
  };
  const servers: { close(): void }[] = [];
  const close = () => {
    for (const server of servers) server.close();
    counter.write();
  };
  try {
    for (const name of names) {
      const endpoint = `${kubeletDirectory}/plugins/${name}/csi.sock`;
      const services = { Identity: identity(name, request), Node: node, Controller: controller };
      servers.push(await serve(host.pathOf(endpoint), { services, observe }));
      const registry = `${kubeletDirectory}/plugins_registry/${name}-reg.sock`;
      const registration = { Registration: registrationOf(name, endpoint, output, registered) };
      servers.push(await serve(host.pathOf(registry), { services: registration, observe }));
      const kinds = volumeKinds.map(({ kind }) => kind).join(' and ');
      output.out(
        `${name}: serves ${kinds} at ${endpoint}, version ${version}; waits for kubelet at ${registry}\n`,
      );
    }
  } catch (error) {
    close();
    throw error;
  }
  const lacks = () => {
    const missing = names.find((name) => !registered.has(name));
    return missing === undefined
      ? undefined
      : `${missing}: kubelet has not registered the CSI driver; see whether ${kubeletDirectory} is its --root-dir`;
  };
  return { lacks, close };
}

/**
 * Where it is a link to a disk that is not mounted yet, the sockets would be made below it, and hidden by it.
 * @throws MounterError (system)
 */
function requireDirectory(kubeletDirectory: string, host: NodeHost): void {
  if (existsSync(dirname(host.pathOf(`${kubeletDirectory}/plugins`)))) return;
  throw new MounterError("is not there: kubelet's directory, in which it looks for the CSI driver", {
    subject: kubeletDirectory,
    status: exitCode.system,
    hint: "mount what it lies on, or start kubelet once, which makes it; where another one is kubelet's --root-dir, name that in mounts.mounter of node-settings.json",
  });
}

/** One line that a terminal shows as it is, whatever a helper, or who wrote the Pod, has said. */
function lineOf(method: string, { code, seconds, message }: Ended): string {
  const words = printable(message.trim().replaceAll('\n', ' / ').slice(0, longestMessage));
  return `${method}: ${status[code] ?? code} after ${seconds.toFixed(1)} s: ${words}\n`;
}

/** Of a log that others write to as well: kubelet asks again and again. */
const longestMessage = 4000;

/** Some callers ask a driver without a controller, too. */
const controller: Answers<'Controller'> = { ControllerGetCapabilities: () => ({ capabilities: [] }) };

function identity(name: string, { version, layout, host }: DriverRequest): Answers<'Identity'> {
  return {
    GetPluginInfo: () => ({ name, vendorVersion: version }),
    GetPluginCapabilities: () => ({ capabilities: [] }),
    // At once, from what is known: whether there is something to mount with, and it is on.
    Probe: () => {
      const isInstalled = existsSync(host.pathOf(layout.executable));
      return { ready: { value: isInstalled && whyOffOn(host, layout) === undefined } };
    },
  };
}

/**
 * The first of the directories that targets are accepted below; of the installed manifest, with the node's own settings in
 * it. In the agent's container the image's own takes the place of one that is missing or not valid, such as a newer
 * version's after a roll back: the agent has yet to start, which puts it right, or says what is wrong.
 * @throws MounterError (system) where there is none, or outside of that container a file is not valid.
 */
export function kubeletDirectoryOf(
  { layout, host }: Pick<DriverRequest, 'layout' | 'host'>,
  imageManifest = toolsManifest,
): string {
  const [installed, own, ofImage] = [
    host.fileOf(layout.manifest),
    host.fileOf(layout.nodeSettings),
    imageManifest,
  ].map(readFileOf);
  const candidates = [
    [installed, own],
    [ofImage, own],
    [ofImage, undefined],
  ] as const;
  let notValid: unknown;
  for (const [shipped, settings] of candidates)
    try {
      const [directory] =
        shipped === undefined ? [] : identityMounts(effectiveManifest(shipped, settings).mounts);
      if (directory !== undefined) return directory;
    } catch (error) {
      notValid ??= error;
    }
  if (notValid !== undefined) throw notValid;
  throw new MounterError('the node has no directory to mount volumes in', {
    subject: layout.manifest,
    status: exitCode.system,
    hint: 'run mounter install SOURCE',
  });
}

function registrationOf(
  name: string,
  endpoint: string,
  output: Output,
  registered: Set<string>,
): Answers<'Registration'> {
  return {
    GetInfo: () => ({ type: 'CSIPlugin', name, endpoint, supportedVersions: ['1.0.0'] }),
    NotifyRegistrationStatus: ({ pluginRegistered, error }) => {
      if (pluginRegistered) registered.add(name);
      else registered.delete(name);
      if (pluginRegistered) output.out(`${name}: registered with kubelet\n`);
      else output.err(`${name}: kubelet does not register it: ${printable(error)}\n`);
      return {};
    },
  };
}
