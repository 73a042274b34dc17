import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { Pod } from '../support/fleet/kubelet.ts';
import {
  fleetSetting,
  makeBare,
  mountVolume,
  otherMounts,
  oursOn,
  oursSettled,
} from '../support/fleet/setting.ts';
import { randomNumbers } from '../support/random.ts';

const rounds = Number(process.env.KILL_ROUNDS ?? 6);
/** On a bare node the agent is at work for about as long. */
const longestLifeMs = 1500;

test.serial(
  'killed at moments by chance, the next one becomes ready, and nothing more is left',
  async (t) => {
    await using setting = await fleetSetting();
    const { machine, node, cluster } = setting;
    const before = otherMounts(node);
    const pod = await Pod.start(machine, cluster);
    await pod.until(0);
    const ours = await oursOn(node);
    const seed = Date.now() % 1e6;
    t.log(`seed ${seed}`);
    const random = randomNumbers(seed);
    for (let round = 0; round < rounds; round += 1) {
      await pod.kill();
      // Every other time there is nothing to do but to see so.
      if (round % 2 === 0) await makeBare(node);
      await pod.restartIfEnded();
      const life = random() * longestLifeMs;
      await setTimeout(life);
      await pod.kill();
      const seconds = await pod.until(0);
      t.log(`killed after ${life.toFixed(0)} ms, ready after ${seconds.toFixed(1)} s`);
      t.deepEqual(await oursSettled(node, ours), ours, `round ${round}`);
      t.deepEqual(otherMounts(node), before);
    }
    await node.shell(`umount ${await mountVolume(setting, 'after')}`);
    await pod.stop();
  },
);
