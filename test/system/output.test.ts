import test from 'ava';
import { commands as definitions } from '../../src/commands/table.ts';
import { installedMounter, type Ran, ScratchNode } from '../support/node/namespace.ts';
import { currentVersion } from '../support/node/rootfs-versions.ts';

const image = `registry.example/tools@sha256:${'0'.repeat(64)}`;

/** A call of each command that prints something; of those that print what another program says, their help. */
const calls: Readonly<Record<string, string>> = {
  mount: '--dry-run -t nfs server:/export /var/lib/kubelet/x',
  install: '--remove-helpers',
  prepare: '',
  status: '--json',
  doctor: '',
  log: '',
  report: '-',
  exec: '--help',
  kubelet: '--help',
  versions: '',
  rollback: 'CURRENT',
  prune: '',
  unit: '',
  disable: '',
  enable: '',
  teardown: '',
  'manifest daemonset': `--image ${image}`,
  'manifest cloud-init': `--executable https://files.example/mounter --executable-digest sha256:${'0'.repeat(64)} --image ${image}`,
  'manifest csi': '--examples',
  'manifest alerts': '',
  csi: '--help',
  'node-agent': '--help',
  help: '',
  completion: 'bash',
  version: '',
};

const lost: Readonly<Record<string, RegExp>> = {
  '>/dev/full': /^mounter: standard output: ENOSPC: .*\nhint: the disk is full: make room/m,
  '>&-': /^mounter: standard output: is closed, .*\nhint: use >\/dev\/null/m,
};

test.serial(
  'a result that cannot be printed is told by every command, and no reader who has enough',
  async (t) => {
    const all = definitions.flatMap(({ name, subcommands }) => subcommands?.map((one) => one.name) ?? [name]);
    t.deepEqual(Object.keys(calls).sort(), [...all].sort());
    await using node = await ScratchNode.installed();
    const current = currentVersion(node).replace(/.*\//, 'sha256:');
    const run = (name: string, redirected: string): Promise<Ran> => {
      const words = `${installedMounter} ${name} ${calls[name]?.replace('CURRENT', current)}`;
      return node.run(['bash', '-c', `set -o pipefail; ${words} ${redirected}`]);
    };
    for (const name of all) {
      const { status, stderr } = await run(name, '>/dev/null');
      for (const [redirected, words] of Object.entries(lost)) {
        const told = await run(name, redirected);
        t.is(told.status, status === 0 ? 2 : status, `${name} ${redirected}: ${told.stderr}`);
        t.regex(told.stderr, words, name);
      }
      const enough = await run(name, '| true');
      t.deepEqual([enough.status, enough.stderr], [status, stderr], name);
    }
  },
);

test.serial(
  'what fits in part is told as well, and a call that prints nothing needs no stdout',
  async (t) => {
    await using node = await ScratchNode.installed();
    await node.shell('mkdir /tmp/small; mount -t tmpfs -o size=4k tmpfs /tmp/small');
    const cut = await node.run([
      'sh',
      '-c',
      `${installedMounter} manifest daemonset --image ${image} >/tmp/small/file`,
    ]);
    t.is(cut.status, 2);
    t.regex(cut.stderr, /^mounter: standard output: ENOSPC/);
    t.is(node.read('/tmp/small/file').length, 4096);
    const silent = await node.run(['sh', '-c', `${installedMounter} log --rotate >&-`]);
    t.deepEqual(silent, { status: 0, stdout: '', stderr: '' });
  },
);
