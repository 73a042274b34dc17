import test from 'ava';
import { idleIncludes } from '../../../../scripts/rootfs/packages.ts';

test('packages that are included, and add no file to the rootfs', (t) => {
  const packages = [{ name: 'attr', version: '1', sha256: 'a'.repeat(64) }];
  t.deepEqual(idleIncludes({ include: ['attr'], packages }), []);
  t.deepEqual(idleIncludes({ include: ['attr', 'e2fsprogs'], packages }), ['e2fsprogs']);
});
