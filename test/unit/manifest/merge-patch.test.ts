import test from 'ava';
import fc from 'fast-check';
import { combinePatches, mergePatch, pathsOf } from '../../../src/manifest/merge-patch.ts';

/** The examples of RFC 7386, appendix A. */
const examples: readonly (readonly [original: unknown, patch: unknown, result: unknown])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];
for (const [original, patch, result] of examples)
  test(`RFC 7386: ${JSON.stringify(patch)} over ${JSON.stringify(original)}`, (t) =>
    t.deepEqual(mergePatch(original, patch), result));

test('a member called __proto__ is one like any other', (t) => {
  const merged = mergePatch({}, JSON.parse('{"__proto__": {"enabled": false}}'));
  t.is((merged as { readonly enabled?: boolean }).enabled, undefined);
});

test('two patches in one do what they do one after the other', (t) => {
  const section = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(fc.integer({ max: 3, min: 0 }), fc.constant(null)),
  );
  const settings = fc.record({ x: section, y: section });
  fc.assert(
    fc.property(settings, settings, settings, (base, first, then) => {
      const below = mergePatch({}, base);
      t.deepEqual(mergePatch(below, combinePatches(first, then)), mergePatch(mergePatch(below, first), then));
    }),
  );
});

test('the paths of what is set, and taken away', (t) => {
  t.deepEqual(
    pathsOf({ limits: { mountSeconds: 1 }, policy: {}, filesystems: { nfs: null }, enabled: true }),
    ['limits.mountSeconds', 'policy', 'filesystems.nfs', 'enabled'],
  );
  t.deepEqual(pathsOf({}), []);
});
