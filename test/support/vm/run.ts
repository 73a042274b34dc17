import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { shellQuoted } from '../../../src/shell-word.ts';
import { buildVm } from './build.ts';
import { withGuestCpu } from './cpu.ts';

const repository = resolve(import.meta.dirname, '../../..');

export interface VmRun {
  /** A program with its arguments, or a whole bash script; runs as root in `/host`, the repository. */
  readonly command: readonly string[] | { readonly script: string };
  /** The guest is killed after this; 300 s if left out. */
  readonly timeoutSeconds?: number;
  /** 512 MB if left out; taken from the machine only as far as the guest uses it. */
  readonly memoryMegabytes?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * What process 1 is: a script that runs the command and nothing else (if left out), or Debian's systemd,
   * with the command as one of its services.
   */
  readonly init?: 'script' | 'systemd';
  /**
   * How often the guest boots, with systemd: the command runs in each boot, with the boot's number, from 1, in
   * BOOT. The disk lives through the reboots. One that fails is the last.
   */
  readonly boots?: number;
  /** Gets the output piece by piece as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface VmResult {
  /** The command's exit status; undefined when the guest ended without one: a crash or the time limit. */
  readonly status: number | undefined;
  readonly timedOut: boolean;
  /** What the command wrote to stdout and stderr. */
  readonly output: string;
  /** What the guest's kernel and UML itself had to say; the reason of a crash. */
  readonly console: string;
}

/**
 * Boots the guest, runs the command in it and powers off. Builds the guest first if need be. Any number may
 * run at once; nothing is left behind, whatever ends this process.
 * @throws MounterError when the guest could not be built.
 */
export async function runInVm(run: VmRun): Promise<VmResult> {
  const build = await buildVm();
  // The guest mounts a tmpfs over it: the repository is read-only there, and ava wants to write.
  await mkdir(join(repository, 'node_modules/.cache'), { recursive: true });
  return withGuestCpu((cpu) => boot(run, build, cpu));
}

async function boot(run: VmRun, build: string, cpu: number): Promise<VmResult> {
  const script = join(import.meta.dirname, 'boot.sh');
  const memory = String(run.memoryMegabytes ?? 512);
  const { init = 'script', boots = 1 } = run;
  const parameters = [build, repository, memory, String(cpu), init, String(boots)];
  const argv = [...namespaces, 'sh', script, ...parameters];
  const subprocess = execa('setpriv', argv, {
    input: commandFile(run),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    timeout: (run.timeoutSeconds ?? 300) * 1000,
    killSignal: 'SIGKILL',
    stripFinalNewline: false,
    reject: false,
  });
  subprocess.stdout.setEncoding('utf8');
  subprocess.stdout.on('data', run.onOutput ?? (() => {}));
  const result = await subprocess;
  const status = String(result.stdio[3] ?? '').trim();
  return {
    status: status === '' ? undefined : Number(status),
    timedOut: result.timedOut,
    output: result.stdout,
    console: result.stderr,
  };
}

/** The death signal ends unshare(1) with this process, and `--kill-child` ends the guest with unshare(1). */
const namespaces = [
  ...['--pdeathsig', 'KILL', 'unshare'],
  ...['--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'],
];

/** The bash script that the guest's init.sh runs. */
function commandFile({ command, environment = {} }: VmRun): string {
  const assignments = Object.entries(environment).map(
    ([name, value]) => `export ${name}=${shellQuoted(value)}`,
  );
  const program = 'script' in command ? command.script : `exec ${command.map(shellQuoted).join(' ')}`;
  return [...assignments, 'export PATH="$PATH:/host/node_modules/.bin"', 'cd /host', program, ''].join('\n');
}
