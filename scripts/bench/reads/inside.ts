import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { exitCode } from '../../../src/exit-codes.ts';
import { readAheadFile } from '../../../src/host/mountinfo.ts';
import {
  entriesOf,
  installAndPrepare,
  mountNfs,
  newTarget,
  unmountAll,
} from '../../../test/support/guest/node.ts';
import { type NfsServer, startNfsServer } from '../../../test/support/guest/server.ts';
import { benchDirectory } from '../calls/programs.ts';
import type { ReadAheadRequest, ReadSample } from './results.ts';

/**
 * The part of the benchmark that runs in the test VM: `inside.ts REQUEST`, a ReadAheadRequest in JSON. Prints lines that
 * say how far it has come, and one line of JSON: the samples.
 */
async function measureAll(request: ReadAheadRequest): Promise<readonly ReadSample[]> {
  const { rounds, delaysMs, readAheadKib, options, optionsReadAheadKib } = request;
  const server = await startServer(Math.max(...request.readers));
  await installAndPrepare('attach');
  const largest = { ...request, requestKib: [Math.max(...request.requestKib)] };
  const samples: ReadSample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const delayMs of delaysMs) {
      await delayLink(server, delayMs);
      say(`round ${round} of ${rounds}, a round trip of ${delayMs} ms`);
      for (const kib of readAheadKib) samples.push(...(await readMounted('', kib, delayMs, request)));
      for (const list of options)
        samples.push(...(await readMounted(list, optionsReadAheadKib, delayMs, largest)));
    }
  }
  await unmountAll();
  await server.close();
  return samples;
}

/** Less would end before a connection is at its speed. */
const fileMib = { alone: 64, ofMany: 16 } as const;

/** Its files are in memory, so that no disk is measured, and its requests as large as NFS allows. */
async function startServer(readers: number): Promise<NfsServer> {
  const exports = { '/srv/vol1': '*(rw,no_subtree_check,no_root_squash,fsid=1)' };
  const server = await startNfsServer({ name: 'files', address: '10.9.0.1', exports });
  const script = `rpc.nfsd 0
    echo 1048576 >/proc/fs/nfsd/max_block_size
    rpc.nfsd --grace-time 10 --lease-time 10 8
    mount -t tmpfs -o size=1g tmpfs /srv/vol1
    head -c ${fileMib.alone}M /dev/zero >/srv/vol1/alone
    for number in $(seq ${readers}); do head -c ${fileMib.ofMany}M /dev/zero >/srv/vol1/of-many-$number; done
    exportfs -f`;
  await server.run('bash', '-euc', script);
  return server;
}

/** Half of the round trip on each end's way out, and room for all that is on its way. */
async function delayLink(server: NfsServer, roundTripMs: number): Promise<void> {
  await execa('modprobe', ['sch_netem']);
  const delay = ['netem', 'delay', `${roundTripMs / 2}ms`, 'limit', '100000'];
  const { stdout: pid } = await execa('pgrep', ['--oldest', '--exact', 'nfsdcld']);
  const change = (device: string) => ['tc', 'qdisc', 'replace', 'dev', device, 'root', ...delay];
  await execa('nsenter', [`--net=/proc/${pid}/ns/net`, ...change('eth0')]);
  const [tc = '', ...argv] = change(server.device);
  await execa(tc, argv);
}

/** Mounted anew for each read-ahead, as mounter does it. */
async function readMounted(
  options: string,
  readAheadKib: number,
  delayMs: number,
  { requestKib, readers }: ReadAheadRequest,
): Promise<readonly ReadSample[]> {
  const target = await newTarget();
  const all = ['vers=4.2', ...(options === '' ? [] : [options]), `x-mounter.read-ahead=${readAheadKib}`];
  const { status, output } = await mountNfs('10.9.0.1:/srv/vol1', target, all.join());
  const [entry] = await entriesOf(target);
  if (status !== 0 || entry === undefined) throw new Error(output);
  const found = Number(await readFile(`/sys/${readAheadFile(entry.device)}`, 'utf8'));
  if (found !== readAheadKib) throw new Error(`the read-ahead is ${found} KiB, not ${readAheadKib}`);
  const samples: ReadSample[] = [];
  for (const request of requestKib)
    for (const count of readers) {
      const mibPerSecond = await read(target, request, count);
      samples.push({ delayMs, options, readAheadKib, requestKib: request, readers: count, mibPerSecond });
    }
  await execa('umount', [target]);
  return samples;
}

async function read(target: string, requestKib: number, readers: number): Promise<number> {
  const many = Array.from({ length: readers }, (_, index) => `${target}/of-many-${index + 1}`);
  const files = readers === 1 ? [`${target}/alone`] : many;
  const { stdout } = await execa(`${benchDirectory}/readers`, [String(requestKib * 1024), ...files]);
  const [bytes = 0, ms = 0] = stdout.split(' ').map(Number);
  return bytes / 2 ** 20 / (ms / 1000);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  say(JSON.stringify({ samples: await measureAll(JSON.parse(process.argv[2] ?? '') as ReadAheadRequest) }));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = exitCode.system;
}
