import test from 'ava';
import { provideLockServices, unitDirectory } from '../../../src/services/provide.ts';
import { serviceOf } from '../../../src/services/services.ts';
import type { HostModel } from '../../support/model/host-model.ts';
import { contextOf, preparedNode, target } from '../../support/model/node-model.ts';

const { unit: statdUnit } = serviceOf('statd');

/** A node on which rpcbind and rpc.statd answer once `program` has run. */
function nodeWhere(program: string): HostModel {
  const host = preparedNode();
  let isUp = false;
  host.onRun = ({ argv }) => {
    if (argv.some((word) => word.endsWith(program))) isUp = true;
    return { status: argv.includes('rpcinfo') && !isUp ? 1 : 0 };
  };
  return host;
}

const started = (host: HostModel) =>
  host.commands.filter((argv) => !argv.includes('rpcinfo')).map((argv) => argv.join(' '));

test('where the units are installed systemd starts the daemons, as services', async (t) => {
  const host = nodeWhere('systemctl').directory('/run/systemd/system').file(`${unitDirectory}/${statdUnit}`);
  t.true(await provideLockServices(target, contextOf(host)));
  t.deepEqual(started(host), [`/usr/bin/systemctl start ${statdUnit}`]);
});

test('a unit that fails leaves it to start-statd', async (t) => {
  const host = nodeWhere('start-statd')
    .directory('/run/systemd/system')
    .file(`${unitDirectory}/${statdUnit}`);
  t.true(await provideLockServices(target, contextOf(host)));
  t.is(started(host).length, 2);
  t.regex(started(host)[1] ?? '', /chroot .*start-statd$/);
});

for (const [what, host] of [
  ['without systemd', nodeWhere('start-statd').file(`${unitDirectory}/${statdUnit}`)],
  ['without the units', nodeWhere('start-statd').directory('/run/systemd/system')],
  [
    'with the unit masked',
    nodeWhere('start-statd')
      .directory('/run/systemd/system')
      .file(`${unitDirectory}/${statdUnit}`, { kind: 'symlink' }),
  ],
] as const) {
  test(`${what} start-statd starts them`, async (t) => {
    t.true(await provideLockServices(target, contextOf(host)));
    t.deepEqual(
      started(host).map((line) => line.split(' ')[0]),
      ['/usr/bin/chroot'],
    );
  });
}
