import test from 'ava';
import fc from 'fast-check';
import {
  isInRange,
  isOddAddress,
  isSameAddress,
  parseIpAddress,
  parseIpRange,
} from '../../src/ip-address.ts';

const groups = (text: string) => parseIpAddress(text)?.groups;

for (const [text, expected] of [
  ['10.0.0.5', [0x0a00, 5]],
  ['255.255.255.255', [0xffff, 0xffff]],
  ['::', [0, 0, 0, 0, 0, 0, 0, 0]],
  ['fd00::5', [0xfd00, 0, 0, 0, 0, 0, 0, 5]],
  ['FD00:0:0::0005', [0xfd00, 0, 0, 0, 0, 0, 0, 5]],
  ['1:2:3:4:5:6:7:8', [1, 2, 3, 4, 5, 6, 7, 8]],
  ['64:ff9b::10.0.0.5', [0x64, 0xff9b, 0, 0, 0, 0, 0x0a00, 5]],
  ['::ffff:10.0.0.5', [0x0a00, 5]],
  ['::ffff:a00:5', [0x0a00, 5]],
  ['fe80::1%eth0', [0xfe80, 0, 0, 0, 0, 0, 0, 1]],
] as const) {
  test(`${text} is an address`, (t) => t.deepEqual(groups(text), [...expected]));
}

for (const text of [
  ...[
    '',
    'srv',
    '10.1',
    '10.0.0',
    '10.0.0.5.',
    '010.0.0.5',
    '10.0.0.256',
    '0x0a.0.0.5',
    '167772165',
    ' 10.0.0.5',
  ],
  ...[
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    ':::',
    ':1',
    '1:',
    'fd00::12345',
    'fd00::g',
    '[fd00::5]',
  ],
  ...['1:2:3:4:5:6:7:8::', '1::10.0.0.5:2', '10.0.0.5%eth0', 'fe80::1%', '١٠.0.0.5', '::ffff:010.0.0.5'],
]) {
  test(`'${text}' is no address`, (t) => t.is(parseIpAddress(text), undefined));
}

test('what only libc takes for an address is told from a name', (t) => {
  for (const text of ['10.1', '010.0.0.5', '0xa.1', '0x', '167772165', '10.0.0.5.', '10.0.0.256', 'srv.5'])
    t.true(isOddAddress(text), text);
  for (const text of ['10.0.0.5', 'srv', 'srv5', '5.srv', '0xa.srv', 'srv.', 'fd00', 'fd00::5', ''])
    t.false(isOddAddress(text), text);
});

for (const [range, inside, outside] of [
  ['10.1.0.0/16', ['10.1.0.0', '10.1.255.255', '::ffff:10.1.2.3'], ['10.2.0.0', '10.0.255.255', 'fd00::1']],
  ['10.0.0.5/32', ['10.0.0.5'], ['10.0.0.4']],
  ['10.0.0.0/9', ['10.127.0.1'], ['10.128.0.1']],
  ['0.0.0.0/0', ['1.2.3.4'], ['::1']],
  ['fd00::/8', ['fd12::1', 'fdff::'], ['fc00::1', '10.0.0.1']],
  ['fd00:0:0:8000::/49', ['fd00:0:0:8000::1', 'fd00:0:0:ffff::1'], ['fd00:0:0:7fff::1']],
  ['fe80::/10', ['fe80::1%eth0', 'febf::1'], ['fec0::1']],
  ['::/0', ['::1', '2001:db8::1'], ['10.0.0.1', '::ffff:10.0.0.1']],
] as const) {
  test(`the range ${range}`, (t) => {
    const parsed = parseIpRange(range);
    if (parsed === undefined) return t.fail();
    const isIn = (text: string) => {
      const address = parseIpAddress(text);
      return address !== undefined && isInRange(address, parsed);
    };
    for (const text of inside) t.true(isIn(text), text);
    for (const text of outside) t.false(isIn(text), text);
  });
}

for (const text of [
  '10.1.2.3/16',
  '10.0.0.0/33',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/-1',
  'fd00::/129',
  'fd00::1/64',
])
  test(`'${text}' is no range`, (t) => t.is(parseIpRange(text), undefined));

for (const text of ['::ffff:0:0/96', 'fe80::%eth0/64', 'srv/8', '10.1/16', '10.0.0.0/ 8', '10.0.0.0/8/8'])
  test(`'${text}' neither`, (t) => t.is(parseIpRange(text), undefined));

test('an address is itself, in every spelling, and on its own interface', (t) => {
  const isSame = (one: string, other: string) => {
    const [a, b] = [parseIpAddress(one), parseIpAddress(other)];
    return a !== undefined && b !== undefined && isSameAddress(a, b);
  };
  t.true(isSame('fd00::5', 'FD00:0:0:0:0:0:0:5'));
  t.true(isSame('::ffff:10.0.0.5', '10.0.0.5'));
  t.false(isSame('fe80::1%eth0', 'fe80::1%eth1'));
  t.false(isSame('fe80::1', 'fe80::1%eth1'));
  t.false(isSame('::a00:5', '10.0.0.5'));
});

test('every address is read, and is in each range that is cut from it', (t) => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const property = fc.property(address, fc.nat(128), (text, bits) => {
    const parsed = parseIpAddress(text);
    if (parsed === undefined) return false;
    const own = Math.min(bits, parsed.groups.length * 16);
    const cut = parsed.groups.map((group, index) => {
      const kept = Math.min(16, Math.max(0, own - index * 16));
      return group - (group % 2 ** (16 - kept));
    });
    return isInRange(parsed, { address: { groups: cut, zone: '' }, bits: own });
  });
  t.notThrows(() => fc.assert(property));
});
