import test from 'ava';
import type { Level } from '../../../src/doctor/finding.ts';
import { judgeLockServices, judgePort } from '../../../src/doctor/lock-services.ts';
import type { LockServicesState } from '../../../src/services/state.ts';

const nothing: LockServicesState = {
  rpcbind: null,
  statd: null,
  portmapperAnswers: false,
  statdRegistered: false,
  statdAnswers: false,
  surplusRpcbinds: [],
  listening: 'nowhere',
  listeningByUdp: 'nowhere',
};
const ours = { pid: 7, owner: 'rootfs' } as const;
const theirs = { pid: 8, owner: 'host' } as const;

const cases: readonly (readonly [
  title: string,
  state: Partial<LockServicesState>,
  volumes: number,
  level: Level,
  message: RegExp,
])[] = [
  ['nothing runs', {}, 0, 'ok', /the first NFSv3 mount starts them/],
  ['nothing runs, and volumes need it', {}, 2, 'warning', /has ended.*locks on mounted NFSv3 volumes/],
  [
    'all is well',
    { rpcbind: ours, statd: ours, portmapperAnswers: true, statdRegistered: true, statdAnswers: true },
    1,
    'ok',
    /process 7, of the rootfs/,
  ],
  ['our rpcbind is deaf', { rpcbind: ours, statd: ours }, 0, 'warning', /^does not answer/],
  ["the host's is deaf", { rpcbind: theirs, statd: ours }, 0, 'failing', /the host's own/],
  ['statd is dead', { rpcbind: theirs, portmapperAnswers: true }, 0, 'warning', /^does not run/],
  [
    'statd is unknown to rpcbind',
    { rpcbind: ours, statd: ours, portmapperAnswers: true },
    0,
    'warning',
    /^is not registered/,
  ],
  [
    'statd is deaf',
    { rpcbind: ours, statd: ours, portmapperAnswers: true, statdRegistered: true },
    0,
    'warning',
    /^does not answer/,
  ],
];
for (const [title, state, volumes, level, message] of cases) {
  test(`locks: ${title}`, (t) => {
    const finding = judgeLockServices({ ...nothing, ...state }, volumes, false);
    t.is(finding.level, level);
    t.regex(finding.message, message);
  });
}

test('locks: where nothing runs, and the last mount could not start it, the way to the reason is told', (t) => {
  const { level, message } = judgeLockServices(nothing, 0, true);
  t.is(level, 'ok');
  t.regex(
    message,
    /; the last one could not: mounter exec -- \/usr\/sbin\/start-statd does, or says why not$/,
  );
});

test('port 111 open to the world is said plainly', (t) => {
  t.deepEqual(judgePort({ listening: 'nowhere' }), []);
  t.is(judgePort({ listening: 'loopback' })[0]?.level, 'ok');
  t.regex(judgePort({ listening: 'any' })[0]?.message ?? '', /open to the world/);
});
