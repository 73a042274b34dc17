import { copyFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { guardedProgram } from '../../src/rootfs/guarded-program.ts';
import { securityServices } from '../../src/services/services.ts';
import { mounterHome, type NodeProcess, ScratchNode, shared } from '../support/node/namespace.ts';
import { asNobody } from '../support/node/stranger.ts';

const start = ['exec', '--', '/usr/sbin/start-statd'] as const;

/** The one rpcbind and the one rpc.statd that run; statd is registered and answers. */
async function isUp(t: ExecutionContext, node: ScratchNode) {
  const [rpcbind, statd] = [node.processesOf('rpcbind'), node.processesOf('rpc.statd')];
  t.is(rpcbind.length, 1, 'one rpcbind');
  t.is(statd.length, 1, 'one rpc.statd');
  const call = await node.mounter('exec', '--', 'rpcinfo', '-u', '127.0.0.1', 'status', '1');
  t.is(call.status, 0, call.stderr);
  return { rpcbind: rpcbind[0] as NodeProcess, statd: statd[0] as NodeProcess };
}

async function kill(node: ScratchNode, signal: string, ...processes: readonly NodeProcess[]): Promise<void> {
  const pids = processes.map(({ pid }) => pid).join(' ');
  await node.shell(`kill -${signal} ${pids}`);
  // Process 1 reaps nobody: a dead one stays, without a program.
  if (signal === 'KILL')
    await node.shell(`for pid in ${pids}; do while [ -e /proc/$pid/exe ]; do :; done; done`);
}

test.serial('starts one rpcbind and one rpc.statd; again, nothing; teardown ends them', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.mustRun(...start);
  const first = await isUp(t, node);
  await node.mustRun(...start);
  t.deepEqual(await isUp(t, node), first);
  t.deepEqual(node.processes().length, 2, 'nothing else is left');
  t.regex(await node.mustRun('teardown'), /ended rpcbind .*\nended rpc\.statd /);
  t.deepEqual(node.processes(), []);
});

test.serial('twenty at once start one of each', async (t) => {
  await using node = await ScratchNode.prepared();
  const all = await Promise.all(Array.from({ length: 20 }, () => node.mounter(...start)));
  t.deepEqual([...new Set(all.map(({ status }) => status))], [0], all.map(({ stderr }) => stderr).join(''));
  await isUp(t, node);
});

for (const [what, victims] of [
  ['rpcbind', ['rpcbind']],
  ['rpc.statd', ['statd']],
  ['both', ['rpcbind', 'statd']],
] as const) {
  test.serial(`${what} killed: the next call mends it, statd is registered again`, async (t) => {
    await using node = await ScratchNode.prepared();
    await node.mustRun(...start);
    const before = await isUp(t, node);
    await kill(node, 'KILL', ...victims.map((victim) => before[victim]));
    await node.mustRun(...start);
    const after = await isUp(t, node);
    for (const victim of victims) t.not(after[victim].pid, before[victim].pid);
  });
}

test.serial('an rpcbind that is deaf is replaced, or named', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.mustRun(...start);
  const before = await isUp(t, node);
  await kill(node, 'STOP', before.rpcbind);
  const began = Date.now();
  const { status, stderr } = await node.mounter(...start);
  t.log(`status ${status} after ${Date.now() - began} ms: ${stderr}`);
  if (status === 0) await isUp(t, node);
  else t.regex(stderr, /rpcbind/);
  await kill(node, 'CONT', before.rpcbind);
  await node.mustRun(...start);
  await isUp(t, node);
});

test.serial(
  'a stranger where rpc.statd looks for rpcbind: never asked; without the guard named in time, and nothing half-started',
  async (t) => {
    await using node = await ScratchNode.prepared();
    copyFileSync(process.execPath, `${node.sharedDirectory}/node`);
    const listen = "require('net').createServer(() => {}).listen('\\0/run/rpcbind.sock')";
    const pid =
      await node.shell(`chmod 0755 ${shared} && ${asNobody.join(' ')} ${shared}/node -e "${listen}" </dev/null >/dev/null 2>&1 &
    until grep -q @/run/rpcbind.sock /proc/net/unix; do sleep 0.05; done; echo $!`);
    await node.mustRun(...start);
    const before = await isUp(t, node);
    await kill(node, 'KILL', before.statd);
    const link = `$(realpath ${mounterHome}/rootfs)${guardedProgram}`;
    await node.shell(`mv ${link} ${link}.away`);
    const { status, stderr } = await node.mounter(...start);
    t.not(status, 0);
    t.regex(stderr, /rpc\.statd does not start: whoever listens on @\/run\/rpcbind\.sock may be in its way/);
    t.deepEqual(node.processesOf('rpc.statd'), []);
    await node.shell(
      `mv ${link}.away ${link}; kill ${pid.trim()}; while grep -q @/run/rpcbind.sock /proc/net/unix; do sleep 0.05; done`,
    );
    await node.mustRun(...start);
    await isUp(t, node);
  },
);

test.serial(
  'a thousand strangers by the names of daemons, and setuid programs: none is taken for one, or ended, or takes long',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const names = ['rpcbind', 'rpc.statd', 'tlshd', 'rpc.idmapd'];
    await node.shell(`mkdir -m 0755 /tmp/names && cd /tmp/names && chmod 0755 /tmp
      for name in ${names.join(' ')}; do cp /bin/sleep $name; done
      ${asNobody.join(' ')} sh -c 'for i in $(seq 250); do for name in ${names.join(' ')}; do ./$name 1000 & done; done' </dev/null >/dev/null 2>&1
      cp /bin/sleep sudo && chmod 4755 sudo && for name in tlshd rpc.idmapd; do ln -sf sudo $name; done
      for name in tlshd rpc.idmapd; do
        setpriv --reuid=65534 --regid=65534 --clear-groups ./$name 1000 </dev/null >/dev/null 2>&1 &
        setpriv --reuid=0 ./$name 1000 </dev/null >/dev/null 2>&1 &
      done`);
    const strangers = async () =>
      Number(
        await node.shell(
          `for comm in $(grep -lxE '${names.join('|')}' /proc/[0-9]*/comm); do [ ! -e \${comm%comm}exe ] || echo; done | wc -l`,
        ),
      );
    // A shell that is to become one has a name of its own until then.
    const deadline = performance.now() + 60_000;
    while ((await strangers()) < 1004 && performance.now() < deadline) await setTimeout(100);
    t.is(await strangers(), 1004);
    const began = performance.now();
    await node.mustRun(...start);
    t.log(`${Math.round(performance.now() - began)} ms`);
    for (const { title, question } of securityServices) {
      const asked = performance.now();
      t.not((await node.run(question)).status, 0, title);
      t.true(performance.now() - asked < 15_000, `${title}: ${performance.now() - asked} ms`);
    }
    const { securityServices: found } = JSON.parse((await node.mounter('status', '--json')).stdout);
    t.deepEqual(
      found.map(({ daemon }: { daemon: unknown }) => daemon),
      securityServices.map(() => null),
    );
    await node.mustRun('teardown');
    t.is(await strangers(), 1004);
  },
);

test.serial('a pid file that names a stranger ends no stranger', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.mustRun(...start);
  const { statd, rpcbind } = await isUp(t, node);
  await kill(node, 'KILL', statd);
  await node.shell(`echo ${rpcbind.pid} >/run/rpc.statd.pid`);
  await node.mustRun(...start);
  t.is((await isUp(t, node)).rpcbind.pid, rpcbind.pid);
});

test.serial("the daemons hold nothing of the caller's: no pipe, no file, no terminal", async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell('mkdir /tmp/held');
  // The pipe's reader ends when nobody holds its other end.
  await node.shell(
    `mounter=/mnt/dist/mounter; { $mounter ${start.join(' ')}; } 7>/tmp/held/7 9>/tmp/held/9 2>&1 | cat`,
  );
  const { rpcbind, statd } = await isUp(t, node);
  for (const { pid } of [rpcbind, statd]) {
    const directory = node.path(`/proc/${pid}/fd`);
    const open = readdirSync(directory).map((fd) => readlinkSync(`${directory}/${fd}`));
    t.deepEqual(
      open.filter((file) => /held|pipe|lock$/.test(file) && !/rpcbind\.lock$/.test(file)),
      [],
      open.join(' '),
    );
    t.regex(await node.shell(`readlink /proc/${pid}/cwd`), /^\//);
  }
});

test.serial('a limit of a thousand million descriptors does not slow them down', async (t) => {
  await using node = await ScratchNode.prepared();
  const limit = (await node.shell('ulimit -Hn')).trim();
  await node.run(['prlimit', '--nofile=1073741816', '/mnt/dist/mounter', ...start]);
  t.log(`hard limit ${limit}`);
  if (node.processes().length === 0) await node.mustRun(...start);
  const { rpcbind } = await isUp(t, node);
  t.regex(node.read(`/proc/${rpcbind.pid}/limits`), /Max open files +1024 /);
});

test.serial("a host's own rpcbind is shared, not replaced", async (t) => {
  await using node = await ScratchNode.prepared();
  // The same program in a copy, run on the host: it listens there, and has its socket in the host's /run.
  await node.shell('mkdir /mnt/host; cp -ax /home/kubernetes/containerized_mounter/rootfs/. /mnt/host');
  for (const directory of ['proc', 'dev', 'run'])
    await node.shell(`mount --bind /${directory} /mnt/host/${directory}`);
  await node.shell('chroot /mnt/host /sbin/rpcbind -w');
  const [host] = node.processesOf('rpcbind');
  await node.mustRun(...start);
  t.is<number | undefined, number | undefined>((await isUp(t, node)).rpcbind.pid, host?.pid);
  await node.mustRun('teardown');
  t.deepEqual(
    node.processes().map(({ pid }) => pid),
    [host?.pid],
    "the host's is not ours to end",
  );
});
