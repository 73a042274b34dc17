import { readdirSync, readlinkSync } from 'node:fs';
import test from 'ava';
import { daemonsOf, mount, newTarget } from '../support/gluster/gluster-node.ts';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { type EnterMode, enterModes } from '../support/node/enter-mode.ts';
import { installedMounter, type ScratchNode } from '../support/node/namespace.ts';
import { canaries, capabilityNames, nodeWithCanaries, View } from '../support/node/view.ts';

/**
 * What a helper sees of the host and can do to it, and what the daemon of a GlusterFS volume can, which runs what its
 * server makes it run: no file of a Pod, no process, no device but its own, no capability more than its work needs.
 */

interface Allowed {
  /** No others: each for a reason. */
  readonly capabilities: readonly string[];
}

/** What every program expects, which holds nothing of the host, and what a FUSE mount is made with. */
const devices = ['full', 'fuse', 'null', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`);

/** mount(2); a port below 1024, which servers ask for. */
const allowed: Allowed = { capabilities: ['CAP_SYS_ADMIN', 'CAP_NET_BIND_SERVICE'] };

/** By chroot(2) the helper mounts on the target's own path, and finds rpcbind in /run: both are the host's. */
function mayReach(enter: EnterMode, line: string): boolean {
  const [, path = ''] = line.split(' ');
  return enter === 'chroot' && /^\/(var\/lib\/kubelet|run)\//.test(path);
}

for (const enter of enterModes) {
  test.serial(`${enter}, a helper: what it sees of the host, and what it can do to it`, async (t) => {
    await using node = await nodeWithCanaries({ enter }, 'nfs');
    const target = await newTarget(node);
    const call = [installedMounter, 'mount', '-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target];
    const script =
      'umask 077; ulimit -c unlimited; trap "" PIPE; exec 7</etc; exec 8<>/run/canary; exec "$@"';
    const { status, stderr } = await node.run(['bash', '-c', script, 'bash', ...call], {
      environment: { SECRET: 'of kubelet' },
    });
    t.is(status, 32, stderr);
    const view = new View(stderr);
    t.log(`processes seen: ${view.all('processes').join(', ')}`);
    t.deepEqual(tooMuch(enter, view, allowed), []);
    t.deepEqual(
      view.all('descriptor').map((line) => line.split(' ')[0]),
      // The last is a pipe: start-statd says by it that mount.nfs has settled for v3.
      ['0', '1', '2', '3'],
    );
    t.deepEqual(
      view.all('environment').map((line) => line.split('=')[0]),
      ['PATH', 'LC_ALL', 'MOUNTER_CALLS'],
    );
    t.deepEqual([view.one('umask'), view.one('directory'), view.one('core')], ['022', '/', '0']);
    t.deepEqual([view.all('blocked'), view.all('ignored')], [[], []]);
    t.true(Number(view.one('files')) <= 1024);
  });

  test.serial(
    `${enter}, the daemon of a volume: what it sees of the host, and what it can do to it`,
    async (t) => {
      await using server = await startGlusterServer({ volumes: ['v1'] });
      await using node = await nodeWithCanaries({ enter, enterNetwork: server.enter }, undefined);
      const target = await newTarget(node);
      const { status, stderr } = await mount(node, `${server.address}:v1`, target, 'log-level=ERROR');
      t.is(status, 0, stderr);
      const [pid = ''] = node.processesOf('glusterfs').map((process) => String(process.pid));
      const proc = node.path(`/proc/${pid}`);
      const view = await viewFrom(node, pid);
      t.log(`processes seen: ${view.all('processes').join(', ')}`);
      t.deepEqual(tooMuch(enter, view, allowed), []);
      for (const set of ['CapPrm', 'CapBnd', 'CapInh', 'CapAmb'])
        t.deepEqual(beyond(field(node, pid, set), allowed), [], set);
      const environment = node.read(`/proc/${pid}/environ`).split('\0').slice(0, -1);
      // LD_PRELOAD is the guard's own, and as it was started.
      for (const variable of environment)
        t.regex(
          variable,
          /^(PATH|LC_ALL|MOUNTER_CALLS|PWD|OLDPWD|_|SHLVL|LD_PRELOAD=\/usr\/sbin\/glusterfs$)/,
        );
      for (const link of readdirSync(`${proc}/fd`).map((fd) => readlinkSync(`${proc}/fd/${fd}`)))
        t.regex(link, /^(socket:|anon_inode:|.*\/dev\/(null|fuse)$|.*\/var\/log\/.*\.log$)/, link);
      t.is(readlinkSync(`${proc}/cwd`), readlinkSync(`${proc}/root`));
      t.is(field(node, pid, 'Umask'), '0022');
      t.true(daemonsOf(target).length <= 1);
    },
  );
}

/** Every thing once, by whichever way it is reached. */
function tooMuch(enter: EnterMode, view: View, allowed: Allowed): readonly string[] {
  if (view.one('canaries') !== 'known') throw new Error('it does not know what to look for');
  const found = [
    ...view
      .all('reaches')
      .filter((line) => !mayReach(enter, line))
      .map((line) => `reaches ${line}`),
    ...view.all('makes').map((what) => `makes ${what}`),
    ...['effective', 'permitted', 'bounding'].flatMap((set) =>
      beyond(view.one(set), allowed).map((name) => `${set}: ${name}`),
    ),
    ...capabilityNames(view.one('inheritable')).map((name) => `inheritable: ${name}`),
    ...(enter === 'chroot' ? [] : ofTheHost(view)),
  ];
  return [...new Set(found)];
}

function ofTheHost(view: View): readonly string[] {
  return [
    ...view.all('device').filter((path) => !devices.includes(path)),
    ...view
      .all('mount')
      .filter(
        (line) => /kubelet/.test(line) && !isOwnDirectory(line) && !/\.log$/.test(line.split(' ')[0] ?? ''),
      )
      .map((line) => `mount ${line}`),
  ];
}

/** An empty filesystem of the call's own, with the path of the target in it. */
function isOwnDirectory(mount: string): boolean {
  return mount === '/var/lib/kubelet of /';
}

function beyond(set: string, { capabilities }: Allowed): readonly string[] {
  return capabilityNames(set).filter((name) => !capabilities.includes(name));
}

/** Of /proc/PID/status. */
function field(node: ScratchNode, pid: string, name: string): string {
  const [, value = ''] = new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(node.read(`/proc/${pid}/status`)) ?? [];
  return value;
}

/** As a process that stands where that one stands, with what it may do. */
async function viewFrom(node: ScratchNode, pid: string): Promise<View> {
  const privileges = ['CapEff', 'Uid', 'Gid'].map((name) => field(node, pid, name));
  const namespaces = ['--target', pid, '--mount', '--pid', '--net', '--ipc', '--uts', '--root', '--wd'];
  const { stdout, stderr } = await node.run([
    'nsenter',
    ...namespaces,
    '/usr/sbin/view',
    '--privileges',
    ...privileges,
  ]);
  if (stdout === '') throw new Error(`no view: ${stderr}`);
  return new View(stdout);
}

test.serial('every canary can be seen by who is not kept from it', async (t) => {
  await using node = await nodeWithCanaries({ enter: 'chroot' }, undefined);
  const { stdout } = await node.run(
    ['sh', '-c', 'cp /mnt/shared/view /run; cd /etc; exec /run/view x y'],
    {},
  );
  const before = new View(stdout);
  t.is(before.one('canaries'), 'none');
  await node.shell(`printf '%s\\n' ${Object.values(canaries).join(' ')} >/etc/canaries`);
  const reached = new View((await node.run(['/mnt/shared/view', 'x', 'y'])).stdout).all('reaches');
  for (const [name, path] of Object.entries(canaries))
    t.true(
      reached.some((line) => line.endsWith(` ${path}`)),
      name,
    );
  t.true(reached.includes(`proc ${canaries.container}`), 'by the root directory of the container alone');
  t.false(reached.includes(`directly ${canaries.container}`));
});
