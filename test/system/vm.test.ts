import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { runInVm } from '../support/vm.ts';

/** The test VM itself; what runs in it is test/vm. */

const commandLine = resolve(import.meta.dirname, '../support/vm.ts');

/** The kernels of guests that run on this machine: pids, but not of other test files' guests. */
async function guestsWith(environment: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return text.includes(environment) ? [pid] : [];
    }),
  );
  return found.flat();
}

test.serial("the command's exit status and its output come back byte for byte", async (t) => {
  const script = 'printf "a\\tb\\n\\303\\251 no newline"; echo error >&2; exit 7';
  const result = await runInVm({ command: { script } });
  t.is(result.status, 7);
  t.is(result.output, 'a\tb\né no newlineerror\n');
});

test.serial('arguments and environment arrive as they were given', async (t) => {
  const words = ["it's", 'a "b" $c', '', '*', 'd\ne'];
  const result = await runInVm({
    command: ['sh', '-c', 'printf "<%s>" "$WORD" "$@"', 'sh', ...words],
    environment: { WORD: "o'clock" },
  });
  t.is(result.output, ["o'clock", ...words].map((word) => `<${word}>`).join(''));
});

test.serial('output longer than a pipe arrives whole', async (t) => {
  const result = await runInVm({ command: ['seq', '200000'] });
  t.is(result.output.length, 1288895);
});

test.serial('the guest is a node without NFS tools, and the repository is read-only', async (t) => {
  const script = [
    'for name in mount.nfs rpcbind rpc.statd showmount glusterfs; do command -v $name; done',
    'ls /run/rpcbind.sock',
    'touch /host/x',
    'node --version',
  ].join('\n');
  const { output } = await runInVm({ command: { script } });
  t.deepEqual(output.trimEnd().split('\n'), [
    "ls: cannot access '/run/rpcbind.sock': No such file or directory",
    "touch: cannot touch '/host/x': Read-only file system",
    process.version,
  ]);
});

test.serial('a guest that crashes has no status, and its console says why', async (t) => {
  const result = await runInVm({ command: { script: 'echo before; echo c >/proc/sysrq-trigger' } });
  t.is(result.status, undefined);
  t.false(result.timedOut);
  t.is(result.output, 'before\n');
  t.regex(result.console, /sysrq triggered crash/);
});

test.serial('a guest that takes too long is killed', async (t) => {
  const result = await runInVm({ command: ['sleep', '100'], timeoutSeconds: 5 });
  t.is(result.status, undefined);
  t.true(result.timedOut);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
  test.serial(`${signal} to the command line leaves no process and no file behind`, async (t) => {
    const mark = `VM_TEST_MARK=${signal}-${process.pid}`;
    const files = await readdir('/dev/shm');
    const subprocess = execa(
      'env',
      [mark, process.execPath, commandLine, '--', 'sh', '-c', 'echo up; sleep 100'],
      {
        reject: false,
        buffer: false,
      },
    );
    await new Promise((done) => subprocess.stdout.once('data', done));
    t.true((await guestsWith(mark)).length > 3);
    subprocess.kill(signal);
    await subprocess;
    for (let i = 0; i < 600 && (await guestsWith(mark)).length > 0; i += 1) await setTimeout(100);
    t.deepEqual(await guestsWith(mark), []);
    t.deepEqual(await readdir('/dev/shm'), files);
  });
}
