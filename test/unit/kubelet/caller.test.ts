import test from 'ava';
import { callerSettings, ignoredSignals, openFiles, serviceOf } from '../../../src/kubelet/caller.ts';
import { HostModel } from '../../support/model/host-model.ts';

const limits = (soft: string, hard: string) =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft.padEnd(20)} ${hard.padEnd(20)} files     \n`;

test('limits of open files', (t) => {
  t.deepEqual(openFiles(limits('1024', '524288')), [1024, 524288]);
  t.deepEqual(openFiles(limits('unlimited', 'unlimited')), [undefined, undefined]);
  t.deepEqual(openFiles(undefined), [undefined, undefined]);
});

for (const [text, unit] of [
  ['0::/system.slice/kubelet.service\n', 'kubelet.service'],
  ['12:cpu:/\n1:name=systemd:/system.slice/kubelet.service\n0::/\n', 'kubelet.service'],
  ['0::/user.slice/user-0.slice/session-1.scope\n', undefined],
  ['0::/system.slice/kubelet.service/inner\n', undefined],
  [undefined, undefined],
] as const) {
  test(`unit of ${JSON.stringify(text)}`, (t) => t.is(serviceOf(text), unit));
}

test('signals that the caller ignores, without those that the runtime does', (t) => {
  t.deepEqual(ignoredSignals('SigBlk:\t0000000000000000\nSigIgn:\t0000000001001001\n'), [1]);
  t.deepEqual(ignoredSignals('SigIgn:\t8000000000000002\n'), [2, 64]);
  t.deepEqual(ignoredSignals(undefined), []);
});

const host = (parent: string) => {
  const model = new HostModel();
  model.texts.set('/proc/self/limits', limits('4096', '4096'));
  model.texts.set('/proc/77/limits', parent);
  return model;
};

test("the parent's soft limit, where it has not a higher one than we may have", async (t) => {
  t.like(await callerSettings(host(limits('1024', '9999')), 77), { openFiles: 1024, maximumOpenFiles: 4096 });
  t.like(await callerSettings(host(limits('9000', '9999')), 77), { openFiles: 4096 });
  t.like(await callerSettings(host(limits('unlimited', 'unlimited')), 77), { openFiles: 4096 });
});
