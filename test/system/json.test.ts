import test from 'ava';
import type { OutputName } from '../../scripts/json-schemas.ts';
import { outputs } from '../../scripts/json-schemas.ts';
import { extractKubelet } from '../support/kubelet/kubelet-image.ts';
import { kubeletDirectory, mounter, ScratchNode } from '../support/node/namespace.ts';
import { faultsIn } from '../support/texts/json-output.ts';

/** What the commands print with --json, on nodes of every kind, is what its schema says, and nothing else. */

/** The output that each call has, on whatever node. */
const calls: readonly (readonly [name: OutputName, argv: readonly string[]])[] = [
  ['status', ['status', '--json']],
  ['status-volumes', ['status', '--volumes', '--json']],
  ['report', ['report', '--json', '-']],
  ['report', ['report', '--json', '--anonymous', '-']],
  ['doctor', ['doctor', '--json']],
  ['log', ['log', '--json']],
  ['versions', ['versions', '--json']],
];

const mount = ['mount', '--json', '-t'];
const plans: readonly (readonly string[])[] = [
  ['nfs', '-o', 'nfsvers=3', 'server:/x', `${kubeletDirectory}/v`],
  ['nfs', '-o', 'nfsvers=4.2,sec=krb5', 'server:/x', `${kubeletDirectory}/v`],
  ['nfs4', '-o', 'ro', 'server:/x', `${kubeletDirectory}/v`],
  ['glusterfs', '-o', `log-file=${kubeletDirectory}/v.log`, 'server:v', `${kubeletDirectory}/v`],
];
const failures: readonly (readonly string[])[] = [
  ['nfs', 'server:/x', '/elsewhere'],
  ['nfs', '-o', 'bg', 'server:/x', `${kubeletDirectory}/v`],
  ['nosuch', 'server:/x', `${kubeletDirectory}/v`],
  ['nfs', '-o', 'vers=4', 'nosuch.invalid:/x', `${kubeletDirectory}/pods`],
];

/** @returns the names of what was printed. */
async function hold(t: import('ava').ExecutionContext, node: ScratchNode): Promise<readonly OutputName[]> {
  const seen: OutputName[] = [];
  const one = async (name: OutputName, argv: readonly string[]) => {
    const { stdout } = await node.mounter(...argv);
    t.deepEqual(faultsIn(name, stdout), [], `${argv.join(' ')}: ${stdout}`);
    seen.push(name);
  };
  for (const [name, argv] of calls) await one(name, argv);
  for (const words of plans) await one('mount-plan', ['mount', '--dry-run', ...mount.slice(1), ...words]);
  for (const words of failures) await one('mount-failure', [...mount, ...words]);
  return seen;
}

test.serial('on a node with nothing, and in each state on the way to one that has volumes', async (t) => {
  await using node = await ScratchNode.start();
  for (const [name, argv] of calls) {
    const { stdout } = await node.run([mounter, ...argv]);
    t.deepEqual(faultsIn(name, stdout), [], stdout);
  }
  await using ready = await ScratchNode.prepared();
  await ready.mountGlusterfs('dead');
  await ready.mountVolume('alive');
  await ready.mustRun('exec', '--', '/usr/sbin/start-statd');
  await ready.mounter('exec', '--', 'false');
  await extractKubelet(ready);
  const seen = await hold(t, ready);
  const start = await ready.mustRun('kubelet', '--dry-run', '--json', '--', '--exit=5');
  t.deepEqual(faultsIn('kubelet-start', start), [], start);
  t.deepEqual([...new Set([...seen, 'kubelet-start'])].sort(), Object.keys(outputs).sort());
  await ready.mustRun('disable');
  for (const [name, argv] of calls) {
    const { stdout } = await ready.mounter(...argv);
    t.deepEqual(faultsIn(name, stdout), [], stdout);
  }
});

test.serial('what is not in a schema is found', (t) => {
  t.deepEqual(faultsIn('log', '{"formatVersion": 1, "calls": []}'), []);
  t.is(faultsIn('log', '{"formatVersion": 1, "calls": [], "more": 1}').length, 1);
  t.is(faultsIn('log', '{"formatVersion": 2, "calls": []}').length, 1);
  t.is(faultsIn('log', '{"formatVersion": 1, "calls": [{"command": 1}]}').length > 0, true);
});
