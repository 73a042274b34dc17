import test from 'ava';
import { layoutOf } from '../../../src/node/layout.ts';
import { commandsOf, mark, type UnitContext, unitNames, unitsOf } from '../../../src/units/units.ts';
import { manifest } from '../../support/model/node-model.ts';

const contextOf = (home: string, manifestPath?: string): UnitContext => ({
  layout: layoutOf(home, manifestPath),
  manifest,
  metricsFile: '/var/lib/a "b" 5%/m.prom',
  driverNames: 'a.csi,b.csi',
  kubeletArguments: ['--rootfs', '/opt/kubelet', '--', 'kubelet', '--v=2'],
});

const home = '/home/mounter';
const all = unitNames.flatMap((name) => unitsOf(name, contextOf(home)));
const textOf = (part: string) => all.find(({ fileName }) => fileName.includes(part))?.text ?? '';

/** systemd makes the mounts of a service with one of these a slave of the host's (each tried on 252). */
const withNamespace =
  /^(Protect(System|Home|Proc|KernelTunables|KernelModules|KernelLogs|ControlGroups)|Private\w+|(ReadOnly|ReadWrite|Inaccessible)Paths|BindPaths|TemporaryFileSystem|Root\w+|MountFlags|DynamicUser|ProcSubset)=/m;

for (const { fileName, text } of all) {
  test(`${fileName} is known for ours, has no mount namespace of its own, and lets the executable compile`, (t) => {
    t.true(text.startsWith(mark));
    t.notRegex(text, withNamespace);
    t.notRegex(text, /^MemoryDenyWriteExecute=/m);
    // What starts nothing of ours waits for nothing.
    t.regex(
      text,
      /^(ConditionFileIsExecutable|Environment="KUBELET_EXTRA_ARGS=.*)=\/home\/mounter\/mounter"?$/m,
    );
  });
}

test('prepare comes before kubelet, which wants it but does not fall with it', (t) => {
  const text = textOf('prepare');
  t.regex(text, /^Before=.*\bkubelet\.service\b/m);
  t.regex(text, /^WantedBy=.*\bkubelet\.service\b/m);
  t.notRegex(text, /^(RequiredBy|ExecStop)=/m);
  t.regex(text, /^RequiresMountsFor="\/home\/mounter" "\/var\/lib\/kubelet"$/m);
});

test('rpcbind and rpc.statd go by the lock of start-statd, and are for nobody at boot', (t) => {
  t.regex(textOf('rpcbind'), /^ExecStart=.*"exec" "--" "\/usr\/sbin\/start-statd" "rpcbind"$/m);
  t.regex(textOf('-statd'), /^ExecStart=.*"\/usr\/sbin\/start-statd" "statd"$/m);
  t.regex(textOf('-statd'), /^Requires=containerized-mounter-rpcbind\.service$/m);
  t.deepEqual(
    all.filter(({ isEnabled }) => isEnabled).map(({ fileName }) => fileName.replace(/^.*mounter-/, '')),
    ['prepare.service', 'notify.service', 'metrics.timer', 'csi.service', 'kubelet.service'],
  );
});

test('a home with blanks, quotes and specifiers is named in every place as that place needs it', (t) => {
  const [unit] = unitsOf('prepare', contextOf('/opt/a "b" 5%i $x'));
  t.regex(unit?.text ?? '', /^ExecStart="\/opt\/a \\"b\\" 5%%i \$x\/mounter" "prepare"$/m);
  t.regex(unit?.text ?? '', /^ConditionFileIsExecutable=\/opt\/a "b" 5%%i \$x\/mounter$/m);
  t.regex(unit?.text ?? '', /^ExecStartPre=.* "\/opt\/a \\"b\\" 5%%i \$\$x"$/m);
});

test('another manifest is handed on', (t) => {
  const [unit] = unitsOf('prepare', contextOf(home, '/etc/mounter.json'));
  t.regex(unit?.text ?? '', /^Environment="MOUNTER_MANIFEST=\/etc\/mounter\.json"$/m);
  t.notRegex(textOf('prepare'), /^Environment=/m);
  const [dropIn] = unitsOf('kubelet-flag', contextOf(home, '/etc/mounter.json'));
  t.regex(dropIn?.text ?? '', /^Environment="MOUNTER_MANIFEST=\/etc\/mounter\.json"$/m, 'by way of kubelet');
  t.deepEqual(commandsOf('prepare', contextOf(home, '/etc/mounter.json')), [
    ['env', 'MOUNTER_MANIFEST=/etc/mounter.json', '/home/mounter/mounter', 'prepare'],
  ]);
});

test('without systemd there is a command for each', (t) => {
  t.deepEqual(commandsOf('prepare', contextOf(home)), [['/home/mounter/mounter', 'prepare']]);
  t.is(commandsOf('statd', contextOf(home)).length, 1);
  const [prepare, kubelet] = commandsOf('kubelet', contextOf(home));
  t.deepEqual(prepare, ['/home/mounter/mounter', 'prepare'], 'as its unit has it by Wants=');
  t.deepEqual(kubelet?.slice(-3), ['--', 'kubelet', '--v=2']);
});
