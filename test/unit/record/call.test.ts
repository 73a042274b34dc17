import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { defaultPlace } from '../../../src/manifest/record-place.ts';
import { Call, type WriteRecord } from '../../../src/record/call.ts';
import { maskedWords } from '../../../src/secrets.ts';

const facts = {
  fstype: 'cifs',
  source: '//server/share',
  target: '/var/lib/kubelet/x',
  options: 'ro,password=hunter2,vers=3',
  fake: false,
  dryRun: false,
};

/** A call whose clock goes on by 10 ms each time it is read, and whose lines can be looked at. */
function callOf() {
  const lines: string[] = [];
  let time = 0;
  const now = () => {
    time += 10;
    return time;
  };
  const write: WriteRecord = async (place, line) => {
    lines.push(place === defaultPlace ? line : 'elsewhere');
  };
  const call = new Call('mount', undefined, { now, pid: 7, write });
  call.place = defaultPlace;
  return { call, lines };
}

test('a mount: its steps, how long they took, and no secret', async (t) => {
  const { call, lines } = callOf();
  call.about(facts);
  for (const step of ['checkDevice', 'checkDevice', 'runHelper']) call.begin(step);
  await call.append(call.success({ wasMounted: false, helperOutput: 'warning\n' }));
  t.is(lines.length, 1);
  const { time: _, ...line } = JSON.parse(lines.join(''));
  t.deepEqual(line, {
    level: 30,
    pid: 7,
    command: 'mount',
    fstype: 'cifs',
    source: '//server/share',
    target: '/var/lib/kubelet/x',
    options: 'ro,password=<masked>,vers=3',
    steps: { checkDevice: 20, runHelper: 10 },
    totalMs: 40,
    status: 0,
    wasMounted: false,
    helperOutput: 'warning\n',
    msg: 'mounted',
  });
});

test('a failure has its class, subject, hint and the words of the helper', (t) => {
  const { call } = callOf();
  call.about(facts);
  call.begin('runHelper');
  const error = new MounterError('failed', {
    status: 32,
    errorClass: 'server-silent',
    subject: '/x',
    hint: 'do this',
    helperOutput: 'mount.nfs: no\n',
  });
  const { status, errorClass, subject, hint, helperOutput, msg, steps } = call.failure(error);
  t.deepEqual(
    [status, errorClass, subject, hint, helperOutput, msg, steps],
    [32, 'server-silent', '/x', 'do this', 'mount.nfs: no\n', 'failed', { runHelper: 10 }],
  );
});

test('a dry run leaves no line', async (t) => {
  const { call, lines } = callOf();
  call.about({ ...facts, dryRun: true });
  await call.append(call.done(0));
  t.deepEqual(lines, []);
});

for (const [command, words, shown] of [
  [
    'install',
    ['https://me:pw@host/x?sig=abc', '--no-switch'],
    ['https://<masked>@host/x?<masked>', '--no-switch'],
  ],
  ['install', ['registry.example/tools:v3@sha256:00'], ['registry.example/tools:v3@sha256:00']],
  ['exec', ['--', 'mount.cifs', '-o', 'password=x'], ['--', 'mount.cifs']],
  ['prune', ['--keep', '1'], ['--keep', '1']],
  ['kubelet', ['--rootfs', '/x', '--', '--bootstrap-token=abc', '--v=2'], ['--rootfs', '/x', '--']],
  ['kubelet', ['--', '/usr/bin/kubelet', '--bootstrap-token=abc'], ['--', '/usr/bin/kubelet']],
  [
    'kubelet',
    ['--bootstrap-token=abc', '-token', 'abc'],
    ['--bootstrap-token=<masked>', '-token', '<masked>'],
  ],
  ['kubelet', ['--bootstrap-token', 'abc', '--v'], ['--bootstrap-token', '<masked>', '--v']],
  [
    'kubelet',
    ['--authentication-token-webhook', '--v=2', '--token-file', '/x'],
    ['--authentication-token<masked>', '--v=2', '--token<masked>', '<masked>'],
  ],
  ['unit', ['kubelet', '--install', '--', '--token=abc'], ['kubelet', '--install', '--']],
] as const) {
  test(`the words of ${command} ${words.join(' ')}`, (t) => {
    t.deepEqual(maskedWords(command, words), shown);
  });
}
