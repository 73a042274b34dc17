import test from 'ava';
import { mountAt, mountOfId, mountsBelow, parseMountinfo, topmostAt } from '../../../src/host/mountinfo.ts';

test('every field of a line', (t) => {
  const [entry] = parseMountinfo(
    '36 35 98:0 /mnt1 /mnt2 rw,noatime shared:7 master:1 - ext3 /dev/root rw,errors=continue\n',
  );
  t.deepEqual(entry, {
    mountId: 36,
    parentId: 35,
    device: '98:0',
    root: '/mnt1',
    mountPoint: '/mnt2',
    mountOptions: ['rw', 'noatime'],
    peerGroup: 7,
    master: 1,
    isUnbindable: false,
    fstype: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'errors=continue'],
  });
});

test('a private mount has no optional fields', (t) => {
  const [entry] = parseMountinfo('22 27 0:21 / /proc rw,relatime - proc proc rw');
  t.is(entry?.peerGroup, undefined);
  t.is(entry?.master, undefined);
  t.is(entry?.fstype, 'proc');
});

test('octal escapes: space, tab, newline, backslash', (t) => {
  const [entry] = parseMountinfo('1 0 0:5 / /a\\040b\\011c\\012d\\134e rw - nfs srv:/x\\040y rw');
  t.is(entry?.mountPoint, '/a b\tc\nd\\e');
  t.is(entry?.source, 'srv:/x y');
});

test('a root or a source that looks like the separator', (t) => {
  const [entry] = parseMountinfo('1 0 0:5 - - rw - nfs - rw');
  t.deepEqual([entry?.root, entry?.mountPoint, entry?.source], ['-', '-', '-']);
});

test('lines that do not fit are left out', (t) => {
  t.deepEqual(parseMountinfo('\nx\n1 2 3\n1 2 0:1 / /m rw shared:1 nfs\n'), []);
});

test('the topmost of a stack is what one sees', (t) => {
  const entries = parseMountinfo('5 1 0:5 / /m rw - nfs a:/x rw\n6 5 0:6 / /m rw - nfs b:/x rw\n');
  t.is(mountAt(entries, '/m')?.source, 'b:/x');
  t.is(mountAt(entries, '/'), undefined);
});

test('the topmost on a mount point is found in the text as it is among the entries', (t) => {
  const text =
    '1 0 0:1 / / rw - a a rw\n2 1 0:2 / /m\\040n rw - b b:/x rw\n3 1 0:3 / /m\\040n rw - c c:/x rw\n4 1 0:4 / /mm rw - d d rw\n';
  for (const point of ['/', '/m n', '/mm', '/m', ''])
    t.deepEqual(topmostAt(text, point), mountAt(parseMountinfo(text), point));
});

test('the mount of an id is found in the text as it is among the entries', (t) => {
  const text = '12 1 0:1 / / rw - a a rw\n2 12 0:2 / /m rw - b b:/x rw\n22 2 0:3 / /n rw - c c:/x rw';
  const entries = parseMountinfo(`${text}\n`);
  for (const id of [12, 2, 22, 1, 0])
    t.deepEqual(
      mountOfId(text, id),
      entries.find(({ mountId }) => mountId === id),
    );
});

test('below is strictly below', (t) => {
  const entries = parseMountinfo(
    '1 0 0:1 / /k rw - a a rw\n2 1 0:2 / /k/v rw - b b rw\n3 1 0:3 / /kk rw - c c rw\n',
  );
  t.deepEqual(
    mountsBelow(entries, '/k').map((e) => e.mountPoint),
    ['/k/v'],
  );
  t.is(mountsBelow(entries, '/').length, 3);
});
