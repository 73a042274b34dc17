import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { yamlText } from '../../../src/fleet/yaml.ts';

const content = { a: { b: 1, list: [{ c: 'x' }, { d: 'y' }] }, text: 'one\ntwo\n', no: 'no', mode: '0755' };

test('comments stand above what they explain, and nothing else changes', (t) => {
  const text = yamlText([{ content, comments: { 'a.b': 'first\nsecond', 'a.list.d': 'in the list' } }]);
  t.regex(text, /^a:\n {2}# first\n {2}# second\n {2}b: 1\n/);
  t.regex(text, /# in the list\n +(- )?d: "y"/);
  // kubectl reads YAML 1.1, in which a bare `y` or `no` is no string.
  for (const version of ['1.1', '1.2'] as const) {
    const documents = parseAllDocuments(text, { version });
    t.deepEqual(
      documents.map((document) => document.toJS()),
      [content],
    );
  }
});

test('several documents are one text', (t) => {
  const text = yamlText([
    { content: { a: 1 }, comments: {} },
    { content: { b: 2 }, comments: { b: 'of b' } },
  ]);
  t.is(text, 'a: 1\n---\n# of b\nb: 2\n');
});

test('a comment on nothing is a bug', (t) => {
  t.throws(() => yamlText([{ content, comments: { 'a.x': 'lost' } }]), { message: /no a\.x/ });
});
