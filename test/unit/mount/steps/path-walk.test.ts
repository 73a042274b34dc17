import test from 'ava';
import { nameOf, parentOf, partsBelow, walk } from '../../../../src/mount/steps/path-walk.ts';
import { HostModel } from '../../../support/model/host-model.ts';

function host(): HostModel {
  const model = new HostModel().directory('/k', '/k/a', '/k/a/b');
  return model.file('/k/a/f').file('/k/a/link', { kind: 'symlink' });
}

for (const [title, names, kinds, isOpen] of [
  ['the directory that it begins with', [], ['directory'], true],
  ['a directory in a directory', ['a', 'b'], ['directory', 'directory', 'directory'], true],
  ['a file at the end', ['a', 'f'], ['directory', 'directory', 'file'], true],
  ['a symlink at the end is itself', ['a', 'link'], ['directory', 'directory', 'symlink'], true],
  ['nothing at the end', ['a', 'none'], ['directory', 'directory'], false],
  ['nothing on the way', ['none', 'b'], ['directory'], false],
  ['a file on the way', ['a', 'f', 'b'], ['directory', 'directory', 'file'], false],
  ['a symlink on the way', ['a', 'link', 'b'], ['directory', 'directory', 'symlink'], false],
] as const) {
  test(`${title}: what was met, and nothing open but what was asked for`, (t) => {
    const model = host();
    const { steps, file } = walk('/k', names, model);
    t.deepEqual(
      steps.map(({ kind }) => kind),
      [...kinds],
    );
    t.is(file !== undefined, isOpen);
    t.deepEqual(model.openPaths, isOpen ? [['/k', ...names].join('/')] : []);
  });
}

test('without the directory that it begins with there is nothing', (t) => {
  const model = host();
  t.deepEqual(walk('/none', ['a'], model), { steps: [], file: undefined });
  t.deepEqual(model.openPaths, []);
});

test('a mount on the way is told by another id', (t) => {
  const model = host();
  model.mount('/k/a');
  const { steps } = walk('/k', ['a', 'b'], model);
  const ids = steps.map(({ mountId }) => mountId);
  t.not(ids[0], ids[1]);
  t.is(ids[1], ids[2]);
});

test('where one mount is walked, nothing is looked up in another: its server may never answer', (t) => {
  const model = host();
  model.mount('/k/a');
  for (const names of [['a'], ['a', 'b'], ['a', 'none']]) {
    const { steps, file } = walk('/k', names, model, 'one');
    t.is(steps.length, 2);
    t.not(steps[1]?.mountId, steps[0]?.mountId);
    t.is(file, undefined);
    t.deepEqual(model.openPaths, []);
  }
  t.is(walk('/k', [], model, 'one').steps.length, 1);
});

test('paths in parts', (t) => {
  t.deepEqual(partsBelow('/k', '/k/a/b'), ['a', 'b']);
  t.is(parentOf('/k/a/b'), '/k/a');
  t.is(parentOf('/k'), '/');
  t.is(nameOf('/k/a/b'), 'b');
});
