import test from 'ava';
import type { Connection } from '../../../../../src/host/mount-host.ts';
import { cifsProbe } from '../../../../../src/mount/filesystems/cifs/probe.ts';
import { newInquiry } from '../../../../../src/mount/probe/inquiry.ts';
import { contextOf, preparedNode, target } from '../../../../support/model/node-model.ts';

/** What comes of the ports of a server; open if left out. */
type Ports = Readonly<Record<number, Connection>>;

async function ask(ports: Ports, options = '') {
  const host = preparedNode();
  const asked: number[] = [];
  host.onConnect = (_, port) => {
    asked.push(port);
    return [ports[port] ?? 'open', 1];
  };
  const mount = { fstype: 'cifs', source: '//10.0.0.5/share', target, options };
  const answer = await cifsProbe(mount)?.ask(newInquiry(contextOf(host), 5000, undefined));
  return { answer, asked };
}

const cases: readonly (readonly [
  title: string,
  ports: Ports,
  options: string,
  asked: readonly number[],
  connection: Connection | undefined,
  port?: number,
])[] = [
  ['both ports refuse', { 445: 'refused', 139: 'refused' }, '', [445, 139], 'refused', 445],
  [
    'the first is silent, the second refuses',
    { 445: 'silent', 139: 'refused' },
    '',
    [445, 139],
    'silent',
    445,
  ],
  ['the first is open', { 139: 'refused' }, '', [445, 139], undefined],
  ['the second is open', { 445: 'refused' }, '', [445, 139], undefined],
  ['another port', { 4450: 'refused' }, 'port=4450', [4450], 'refused', 4450],
  ['a port that is none', { 445: 'refused' }, 'port=x', [], undefined],
  [
    'a port within a password',
    { 445: 'refused', 139: 'refused' },
    'password=a,,port=9',
    [445, 139],
    'refused',
    445,
  ],
  ['RDMA', { 445: 'refused' }, 'rdma', [], undefined],
];

for (const [title, ports, options, expected, connection, port] of cases)
  test(title, async (t) => {
    const { answer, asked } = await ask(ports, options);
    t.deepEqual(asked, expected);
    t.is(answer?.kind, connection === undefined ? undefined : 'unreachable');
    if (answer?.kind === 'unreachable') t.like(answer, { connection, port, server: '10.0.0.5' });
  });

test('two mounts of one server ask the same, whatever the share', (t) => {
  const question = (source: string, options: string) =>
    JSON.stringify(cifsProbe({ fstype: 'cifs', source, target, options })?.about);
  t.is(question('//srv/a', 'username=alice'), question('\\\\srv\\b\\c', 'guest'));
  t.not(question('//srv/a', ''), question('//srv/a', 'ip=10.0.0.9'));
  t.is(cifsProbe({ fstype: 'cifs', source: 'srv:/a', target, options: '' }), undefined);
});
