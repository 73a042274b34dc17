import { availableParallelism, freemem, hostname, loadavg, release, totalmem, uptime } from 'node:os';
import { commandLineOf, kubeletProcesses } from '../doctor/kubelet.ts';
import type { Host, ProcessInformation } from '../host/host.ts';
import type { RunBounded } from '../host/run-bounded.ts';
import { ownArchitecture } from '../image/source/options.ts';
import { maskedArguments } from '../secrets.ts';

/** The machine, and who calls the mounter. */
export interface SystemReport {
  readonly hostname: string;
  readonly kernel: string;
  readonly operatingSystem: string | null;
  readonly architecture: string;
  readonly bootedAt: string;
  readonly processors: number;
  readonly loadAverages: readonly number[];
  readonly memoryBytes: { readonly total: number; readonly free: number };
  readonly kubelets: readonly KubeletReport[];
}

interface KubeletReport {
  readonly pid: number;
  /** What it says of itself; null for one that sees another directory tree than the host's, or does not answer. */
  readonly version: string | null;
  /** Without secrets. */
  readonly arguments: readonly string[];
}

const kubeletMs = 2000;
const mostArguments = 80;

export async function systemReport(host: Host, runBounded: RunBounded): Promise<SystemReport> {
  return {
    hostname: hostname(),
    kernel: release(),
    operatingSystem: osName(host.readText('/etc/os-release') ?? ''),
    architecture: ownArchitecture,
    bootedAt: new Date(Math.round(Date.now() - uptime() * 1000)).toISOString(),
    processors: availableParallelism(),
    loadAverages: loadavg().map((load) => Math.round(load * 100) / 100),
    memoryBytes: { total: totalmem(), free: freemem() },
    kubelets: await Promise.all(
      kubeletProcesses(host).map((kubelet) => kubeletReport(kubelet, host, runBounded)),
    ),
  };
}

async function kubeletReport(
  { pid, executable, root, mountNamespace }: ProcessInformation,
  host: Host,
  runBounded: RunBounded,
): Promise<KubeletReport> {
  // A container's program is anybody's: what the host's own process 1 sees, and root alone can write, is run and no other.
  const isOnHost = root === '/' && mountNamespace === host.readLink('/proc/self/ns/mnt');
  const isRootsFile = executable !== undefined && host.stat(executable)?.isRoots === true;
  const [commandLine, version] = await Promise.all([
    commandLineOf(pid, host, runBounded),
    isOnHost && isRootsFile ? runBounded([executable, '--version'], kubeletMs) : undefined,
  ]);
  const words = commandLine.split('\0').slice(0, -1);
  return {
    pid,
    version: /^Kubernetes (v[\w.+-]{1,60})$/m.exec(version?.output ?? '')?.[1] ?? null,
    arguments: maskedArguments(words.slice(0, mostArguments).map((word) => word.slice(0, 500))),
  };
}

function osName(text: string): string | null {
  return /^PRETTY_NAME="?([^"\n]{1,100})/m.exec(text)?.[1] ?? null;
}

/** Names that anybody on this node may be told of: of its search domains, and of its own list of hosts. */
export function namesAround(host: Host): readonly string[] {
  const read = (path: string) => {
    try {
      return host.readText(path) ?? '';
    } catch {
      return '';
    }
  };
  const domains = [...read('/etc/resolv.conf').matchAll(/^(?:search|domain)\s+(.*)$/gm)];
  const hosts = [...read('/etc/hosts').matchAll(/^[\da-f.:]+\s+([^#\n]*)/gim)];
  const names = [...domains, ...hosts].flatMap(([, list = '']) => list.split(/\s+/));
  return names.filter((name) => name !== '' && !/^(?:localhost(?:\..*)?|ip6-.*)$/.test(name)).slice(0, 1000);
}
