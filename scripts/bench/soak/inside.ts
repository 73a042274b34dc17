import { mkdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { exitCode } from '../../../src/exit-codes.ts';
import type { EnterMode } from '../../../test/support/node/enter-mode.ts';
import { makeNode, namedMounter } from '../calls/node.ts';
import type { BenchPrograms } from '../calls/programs.ts';
import { remains } from '../storm/left.ts';
import { momentOf } from './moment.ts';
import type { SoakReport } from './report.ts';

/**
 * The part of the soak that runs in mount and pid namespaces of its own, in the network of a GlusterFS server:
 * `inside.ts REQUEST`, a SoakRequest in JSON. Prints a SoakReport in JSON.
 */
export interface SoakRequest {
  readonly executable: string;
  readonly programs: BenchPrograms;
  readonly enter: EnterMode;
  /** `ADDRESS:VOLUME` */
  readonly glusterSource: string;
  /** It ends after so many, or after so long. */
  readonly cycles: number;
  readonly seconds: number;
}

/** Of every so many mounts one is a real GlusterFS volume; the others a helper that does one mount(2). */
const glusterEvery = 20;
const atOnce = 2;
const maximumFailures = 10;
const pods = '/var/lib/kubelet/pods';

async function soak(request: SoakRequest): Promise<SoakReport> {
  const { home } = await makeNode([await namedMounter(request.executable)], request.programs, request.enter);
  const mounter = `${home}/mounter`;
  const failures: string[] = [];
  const call = async (...argv: readonly string[]) => {
    const { exitCode: status, stderr } = await execa(argv[0] ?? '', argv.slice(1), {
      reject: false,
      stdin: 'ignore',
    });
    if (status !== 0 && failures.length < maximumFailures)
      failures.push(`status ${status} of ${argv.join(' ')}: ${stderr}`);
  };
  const kept = `${pods}/kept/volumes/kubernetes.io~glusterfs/volume`;
  await mkdir(kept, { recursive: true });
  await call(mounter, 'mount', '-t', 'glusterfs', request.glusterSource, kept);
  const cycle = async (number: number) => {
    const isGluster = number % glusterEvery === 0;
    const target = `${pods}/pod-${number % 50}-${number % atOnce}/volumes/kubernetes.io~nfs/volume`;
    await mkdir(target, { recursive: true });
    const source = isGluster ? request.glusterSource : `10.0.0.5:/exports/${number}`;
    const options = isGluster ? [] : ['-o', 'vers=4.2'];
    await call(mounter, 'mount', '-t', isGluster ? 'glusterfs' : 'nfs', ...options, source, target);
    await call('umount', '--no-canonicalize', target);
  };
  const started = performance.now();
  let cycles = 0;
  let prepares = 0;
  const cycleUntil = async (limit: number, endMs: number) => {
    let over = false;
    const work = async () => {
      while (cycles < limit && performance.now() < endMs) {
        cycles += 1;
        await cycle(cycles);
      }
    };
    const prepare = async () => {
      for (; !over; prepares += 1) await call(mounter, 'prepare');
    };
    const preparing = prepare();
    await Promise.all(Array.from({ length: atOnce }, work));
    over = true;
    await preparing;
    await settled(kept);
  };
  await cycleUntil(Math.ceil(request.cycles / 20), Number.POSITIVE_INFINITY);
  const early = await momentOf(kept);
  await cycleUntil(request.cycles, started + request.seconds * 1000);
  const late = await momentOf(kept);
  return { cycles, prepares, seconds: (performance.now() - started) / 1000, failures, early, late };
}

/** A glusterfs daemon ends a moment after its volume is unmounted. @param kept where one stays mounted. */
async function settled(kept: string): Promise<void> {
  await setTimeout(3000);
  const isEnding = (line: string) => /^\S*\/glusterfs /.test(line) && !line.replace(/\/$/, '').endsWith(kept);
  for (let look = 0; look < 600 && remains().processes.some(isEnding); look += 1) await setTimeout(100);
}

try {
  process.stdout.write(JSON.stringify(await soak(JSON.parse(process.argv[2] ?? '') as SoakRequest)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCode.system;
}
