import test, { type ExecutionContext } from 'ava';
import { mount, newTarget, setting } from '../support/gluster/gluster-node.ts';
import { askedUnless } from '../support/node/examination.ts';
import { fuseMount, kubeletDirectory, ScratchNode } from '../support/node/namespace.ts';
import { programIn } from '../support/programs/test-program.ts';
import { parseExposition } from '../support/texts/exposition-grammar.ts';

/** The STATE of volumes in `mounter status`: what it says of those that no longer work, and that it ends. */

interface Seen {
  readonly milliseconds: number;
  /** target → state */
  readonly states: Readonly<Record<string, string>>;
  readonly people: string;
}

/** A state that is told in a hurry, on a machine with much else to do: it is asked for again. */
const notAsked = /not.asked/;
const notAskedOrSilent = /not.asked|silent/;

async function look(node: ScratchNode, hurried = notAsked): Promise<Seen> {
  const seen = await askedUnless(
    ({ states }) => Object.values(states).some((state) => hurried.test(state)),
    () => statesOf(node),
    5,
  );
  const people = await askedUnless(
    (text) => hurried.test(/^volumes .*/m.exec(text)?.[0] ?? ''),
    () => node.mustRun('status'),
    5,
  );
  return { ...seen, people };
}

async function statesOf(node: ScratchNode): Promise<Omit<Seen, 'people'>> {
  const began = performance.now();
  const json = JSON.parse(await node.mustRun('status', '--json'));
  const milliseconds = Math.round(performance.now() - began);
  const volumes: readonly { target: string; state: string }[] = json.volumes;
  return { milliseconds, states: Object.fromEntries(volumes.map(({ target, state }) => [target, state])) };
}

/** Of GlusterFS volumes, by state. */
async function counts(node: ScratchNode, hurried = notAsked): Promise<ReadonlyMap<string, number>> {
  return askedUnless(
    (found) => [...found].some(([state, count]) => count > 0 && hurried.test(state)),
    async () => {
      const samples = parseExposition(await node.mustRun('status', '--metrics'));
      const ours = samples.filter(
        ({ name, labels }) => name === 'mounter_volumes' && labels.get('fstype') === 'fuse.glusterfs',
      );
      return new Map(ours.map(({ labels, value }) => [labels.get('state') ?? '', value]));
    },
    5,
  );
}

/** Of a machine with much else to do; the questions themselves have less than 3 s. */
function endsSoon(t: ExecutionContext, { milliseconds }: Seen): void {
  t.log(`${milliseconds} ms`);
  t.true(milliseconds < 20_000, `${milliseconds} ms`);
}

test.serial('GlusterFS: alive, silent while its daemon is stopped, dead when it is gone', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  t.is((await mount(s.node, s.source, target)).status, 0);
  const alive = await look(s.node);
  t.deepEqual(alive.states, { [target]: 'alive' });
  t.regex(alive.people, /\nvolumes +1 alive\n/);
  t.regex(alive.people, /\nSTATE +SOURCE +TYPE +ENTRIES +DAEMON +TARGET\nalive +\S+:v1 +fuse\.glusterfs /);
  await s.node.shell('kill -STOP $(pidof glusterfs)');
  const stopped = await look(s.node);
  t.deepEqual(stopped.states, { [target]: 'silent' });
  endsSoon(t, stopped);
  await s.node.shell('kill -CONT $(pidof glusterfs)');
  t.deepEqual((await look(s.node)).states, { [target]: 'alive' });
  await s.node.shell('kill -KILL $(pidof glusterfs)');
  while (s.node.processesOf('glusterfs').length > 0);
  const dead = await look(s.node);
  t.deepEqual(dead.states, { [target]: 'dead' });
  t.regex(dead.people, /\nvolumes +1 dead: run mounter doctor\n/);
  t.regex(dead.people, /\ndead +\S+:v1 /);
  const counted = await counts(s.node);
  t.is(counted.get('dead'), 1);
  t.is(counted.get('alive'), 0);
});

test.serial('a FUSE daemon that takes requests and answers none: silent, and nothing hangs', async (t) => {
  await using node = await ScratchNode.prepared();
  const silentFuse = await programIn(node, 'silent-fuse');
  const silent = `${kubeletDirectory}/pods/silent`;
  await node.shell(`mkdir -p ${silent}; ${silentFuse} glusterfs server:v ${silent}`);
  const dead = await node.mountGlusterfs('dead');
  const seen = await look(node);
  t.deepEqual(seen.states, { [silent]: 'silent', [dead]: 'dead' });
  t.regex(seen.people, /\nvolumes +1 dead, 1 silent: run mounter doctor\n/);
  endsSoon(t, seen);
  t.is((await counts(node)).get('silent'), 1);
});

test.serial('a thousand dead volumes are told as such, each of them', async (t) => {
  await using node = await ScratchNode.prepared();
  const first = await node.mountGlusterfs('1');
  await node.shell(`for i in $(seq 2 1000); do
      mkdir ${kubeletDirectory}/pods/$i
      ${fuseMount('fuse.glusterfs', 'server:$i', `${kubeletDirectory}/pods/$i`)} 3<>/dev/fuse
    done`);
  const seen = await look(node, notAskedOrSilent);
  t.is(seen.states[first], 'dead');
  t.is(Object.values(seen.states).filter((state) => state === 'dead').length, 1000);
  t.regex(seen.people, /\nvolumes +1000 dead: run mounter doctor\n/);
  endsSoon(t, seen);
  t.is((await counts(node, notAskedOrSilent)).get('dead'), 1000);
});
