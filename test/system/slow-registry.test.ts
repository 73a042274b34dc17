import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { writeOciLayout } from '../support/image/oci-layout.ts';
import { type Behaviour, drip, RegistryStandIn, send } from '../support/image/registry-stand-in.ts';
import { digestOf, imageOf, type TestImage, tarOf } from '../support/image/test-image.ts';
import { rounds } from '../support/long-run.ts';
import { mounter, mounterHome, type Ran, ScratchNode, shared } from '../support/node/namespace.ts';
import {
  currentVersion,
  installedVersions,
  manifestText,
  rootfsBytes,
  unfinished,
} from '../support/node/rootfs-versions.ts';

/** An install from a registry that sends a byte now and then: it waits, and nobody else does. */

const parsed = JSON.parse(manifestText);
const { digest: _, ...rootfsFacts } = parsed.rootfs;

async function imageNamed(name: string): Promise<TestImage> {
  const manifest = JSON.stringify({ ...parsed, rootfs: { ...rootfsFacts, name } });
  const own = await tarOf({
    'usr/share/containerized-mounter/rootfs-manifest.json': manifest,
    marker: name,
  });
  return imageOf({ tars: [rootfsBytes, own], compression: 'zstd' });
}

const one = await imageNamed('one');
const two = await imageNamed('two');
const three = await imageNamed('three');

function offerImage(node: ScratchNode, image: TestImage, name: string): string {
  const directory = join(node.sharedDirectory, name);
  if (!existsSync(directory)) writeOciLayout(directory, image);
  return `${shared}/${name}`;
}

/** It reaches this machine's loopback, where the registry is; nothing but installs happens on it. */
const nodeInOurNetwork = () => ScratchNode.start({ enterNetwork: [] });

function isCurrent(t: ExecutionContext, node: ScratchNode, { digest }: TestImage, hint?: string): void {
  t.is(currentVersion(node), `versions/${digest.slice(7)}`, hint);
}

/** Far above what an install takes. One that waits for the registry which drips is at it for several times 30 s. */
const quickMs = 25_000;

/** What an operator does meanwhile, each within the time. */
async function isNotHeldUp(t: ExecutionContext, node: ScratchNode, hint: string): Promise<void> {
  for (const argv of [
    ['versions'],
    ['status', '--json'],
    ['prune'],
    ['install', offerImage(node, two, 'two')],
    ['rollback'],
    ['rollback'],
    ['prune', '--keep', '1'],
    ['install', offerImage(node, one, 'one')],
    ['prepare'],
    ['teardown'],
  ]) {
    const begun = performance.now();
    const { status, stderr } = await node.mounter(...argv);
    const ms = performance.now() - begun;
    // Without a network of its own nothing is wrong with the node but this.
    t.true(status === 0 || argv[0] === 'status', `${hint}: ${argv.join(' ')}: ${stderr}`);
    t.true(ms < quickMs, `${hint}: ${argv.join(' ')} took ${Math.round(ms)} ms`);
  }
}

function installsFrom(node: ScratchNode, source: string): readonly number[] {
  const running = node.processesOf('mounter').filter(({ commandLine }) => commandLine.includes(source));
  return running.map(({ pid }) => pid);
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`${what}: not within 60 s`);
    await setTimeout(20);
  }
}

const slowly: Behaviour = (_, response, answer) => drip(response, answer, 1, 200);
const [layer = Buffer.of()] = three.layers;
const drips: Readonly<Record<string, { asked: string; isUrl?: true }>> = {
  'its manifest': { asked: '/manifests/' },
  'its configuration': { asked: digestOf(three.config) },
  'a layer': { asked: digestOf(layer) },
  'a tar behind a URL': { asked: '/rootfs.tar', isUrl: true },
};
for (const [what, { asked, isUrl }] of Object.entries(drips)) {
  // One after the other: what is measured is not held up by the others.
  test.serial(`while ${what} drips, all else goes on; killed, it leaves nothing`, async (t) => {
    await using registry = await RegistryStandIn.start((request, response, answer) =>
      request.url?.includes(asked) === true
        ? slowly(request, response, isUrl ? { ...answer, status: 200, body: rootfsBytes } : answer)
        : send(request, response, answer),
    );
    await using node = await nodeInOurNetwork();
    await node.mustRun('install', offerImage(node, one, 'one'));
    const reference = registry.add(three);
    const source = isUrl ? `http://${registry.address}/rootfs.tar` : reference;
    const digest = ['--digest', isUrl ? digestOf(rootfsBytes) : three.digest];
    const installing = node.run([mounter, 'install', ...digest, source]);
    await until(`asked for ${what}`, () => registry.asked(asked).length > 0);
    await isNotHeldUp(t, node, what);
    isCurrent(t, node, one);
    t.is(unfinished(node).length, 1, 'what it is at work in was not taken away');
    const [pid, ...others] = installsFrom(node, source);
    t.deepEqual(others, []);
    await node.shell(`kill -KILL ${pid}`);
    t.not((await installing).status, 0);
    await node.mustRun('prune');
    t.deepEqual(unfinished(node), []);
    t.deepEqual(installedVersions(node), [one.digest, two.digest].sort());
    isCurrent(t, node, one);
    t.deepEqual(node.processes(), []);
  });
}

test.serial(
  'a connection that drips is ended, said so with host and speed, and the next one brings it',
  async (t) => {
    let dripped = 0;
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (request.url?.includes(digestOf(layer)) !== true || dripped > 0)
        return send(request, response, answer);
      dripped += 1;
      return slowly(request, response, answer);
    });
    await using node = await nodeInOurNetwork();
    const installing = node.run([mounter, 'install', registry.add(three)]);
    await until('asked', () => dripped > 0);
    // The same one, from elsewhere: it does not wait for the other.
    t.regex(await node.mustRun('install', offerImage(node, three, 'three')), /\ninstalled three /);
    t.is(dripped, 1);
    await node.mustRun('install', offerImage(node, one, 'one'));
    t.is(unfinished(node).length, 1);
    const { status, stdout, stderr } = await installing;
    t.is(status, 0, stderr);
    t.true(
      new RegExp(
        `: the layer ${digestOf(layer).slice(0, 19)}: ${registry.address}: too slow: [345] bytes/s \\(\\d+ bytes in 3\\d(\\.\\d)? s\\), where 65536 bytes in 30 s are the least; trying again\n`,
      ).test(stderr),
      stderr,
    );
    t.regex(stdout, /installed three /);
    t.false(stdout.includes('unpacked '), 'the other had');
    isCurrent(t, node, three);
    t.deepEqual(unfinished(node), []);
  },
);

test.serial(
  'SIGKILL at random moments of a slow install: nothing lost, nothing left, what came is used',
  async (t) => {
    let resumed = 0;
    await using registry = await RegistryStandIn.start(async (request, response, answer) => {
      if (answer.status === 206) resumed += 1;
      // A second for all of it.
      if (answer.body.length < 100_000) send(request, response, answer);
      else drip(response, answer, Math.ceil(layer.length / 50), 20);
    });
    await using node = await nodeInOurNetwork();
    const sources = { two: registry.add(two, 'two'), three: registry.add(three, 'three') };
    const images = { two, three };
    await node.mustRun('install', offerImage(node, one, 'one'));
    const runs = rounds(6, 24);
    for (let run = 0; run < runs; run += 1) {
      const name = run % 2 === 0 ? 'two' : 'three';
      const source = sources[name];
      const before = currentVersion(node);
      // All over the install, also where they are few: some while the layer comes, however late it does.
      const isEarly = run < runs / 6;
      const ms = Math.round((1500 * (run + Math.random())) / runs);
      const hint = `run ${run}, killed ${ms} ms after ${isEarly ? 'its start' : 'it asked for the layer'}`;
      const asked = () => registry.asked(digestOf(layer)).length;
      const askedBefore = asked();
      const installs = () => installsFrom(node, source);
      const kill = async () => {
        await until(hint, () => (isEarly ? installs().length > 0 : asked() > askedBefore));
        await setTimeout(ms);
        await node.run(['kill', '-KILL', ...installs().map(String)]);
      };
      const installing = node.run([mounter, 'install', source]);
      const [{ status }, beside] = await Promise.all([installing, besides(node, run), kill()]);
      t.deepEqual(
        beside.filter((ran) => ran.status !== 0),
        [],
        hint,
      );
      if (status !== 0 && !installedVersions(node).includes(images[name].digest))
        t.is(currentVersion(node), before, hint);
      t.is((await node.run(['chroot', `${mounterHome}/rootfs`, '/sbin/mount.nfs', '-V'])).status, 0, hint);
      if (run % 3 === 0) {
        await node.mustRun('prune');
        t.deepEqual(unfinished(node), [], hint);
      }
      const again = await node.mounter('install', source);
      t.is(again.status, 0, `${hint}: ${again.stderr}`);
      isCurrent(t, node, images[name], hint);
      t.deepEqual(unfinished(node), [], hint);
      t.is(node.read(`${mounterHome}/${currentVersion(node)}/marker`), name, hint);
      // So that it has to be unpacked again.
      await node.mustRun('install', offerImage(node, one, 'one'));
      await node.mustRun('prune', '--keep', '1');
      t.deepEqual(installedVersions(node), [one.digest], hint);
    }
    t.true(resumed > 0, 'a killed one had brought something');
    t.deepEqual(node.processes(), []);
    const names = readdirSync(node.path(`${mounterHome}/versions`)).sort();
    t.deepEqual(names, [one.digest.slice(7), `${one.digest.slice(7)}.json`]);
  },
);

test.serial(
  'many at once, each of them killed at times: one whole rootfs, and nothing left in the end',
  async (t) => {
    await using registry = await RegistryStandIn.start();
    await using node = await nodeInOurNetwork();
    const sources = [registry.add(two, 'two'), registry.add(three, 'three'), offerImage(node, two, 'two')];
    await node.mustRun('install', offerImage(node, one, 'one'));
    const calls = [...sources.map((source) => ['install', source]), ['prune', '--keep', '2'], ['rollback']];
    for (let round = 0; round < rounds(3, 8); round += 1) {
      const results = await Promise.all(
        calls.map(async (call) => {
          const isToBeKilled = Math.random() < 0.4;
          const seconds = isToBeKilled ? (0.05 + Math.random() * 2).toFixed(3) : '100';
          return {
            isToBeKilled,
            call,
            ...(await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, ...call])),
          };
        }),
      );
      // There may be no version to go back to: prune was faster.
      for (const { call, isToBeKilled, status, stderr } of results)
        t.true(isToBeKilled || status === 0 || call[0] === 'rollback', `${call.join(' ')}: ${stderr}`);
      const said = results.map(({ stderr }) => stderr).join('');
      t.notRegex(said, /internal|ENOENT|ENOTEMPTY/);
      t.is((await node.run(['chroot', `${mounterHome}/rootfs`, '/sbin/mount.nfs', '-V'])).status, 0);
    }
    await node.mustRun('prune');
    t.deepEqual(unfinished(node), []);
    await node.mustRun('install', sources[0] ?? '');
    isCurrent(t, node, two);
    t.deepEqual(node.processes(), []);
  },
);

/** Of some runs: others change versions while one is killed. */
async function besides(node: ScratchNode, run: number): Promise<readonly Ran[]> {
  if (run % 4 !== 1) return [];
  const prune = await node.mounter('prune');
  return [prune, await node.mounter('versions')];
}
