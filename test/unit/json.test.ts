import test from 'ava';
import fc from 'fast-check';
import { parseJsonText } from '../../src/json.ts';

for (const [text, fault] of [
  ['', 'line 1, column 1: the text ends where a value is expected'],
  ['{\n  "a": 1,\n}', 'line 3, column 1: a name in double quotes is expected'],
  ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3: "," or "}" is expected'],
  ['{"a" 1}', 'line 1, column 6: ":" is expected'],
  ["{'a': 1}", 'line 1, column 2: a name in double quotes or "}" is expected'],
  ['[1, 2,]', 'line 1, column 7: a value is expected'],
  ['[01]', 'line 1, column 2: a value or "]" is expected'],
  ['{"a": nul}', 'line 1, column 7: a value is expected'],
  ['{"a": "b\nc"}', 'line 1, column 7: a value is expected'],
  ['{"a": {"b": [1', 'line 1, column 15: the text ends where "," or "]" is expected'],
  ['{}\n// secret', 'line 2, column 1: the end of the file is expected'],
  ['\ufeff{}', 'line 1, column 1: a value is expected'],
] as const) {
  test(`JSON that is none: ${JSON.stringify(text)}`, (t) => {
    t.throws(() => parseJsonText(text), { message: `not valid JSON: ${fault}` });
  });
}

test('whatever JSON.parse takes is taken, and a fault is found in all that it does not take', (t) => {
  const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', 'x', ':', '\u0000'));
  fc.assert(
    fc.property(cut, ([json, at, added]) => {
      const text = `${json.slice(0, at % (json.length + 1))}${added}${json.slice(at % (json.length + 1))}`;
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        t.throws(() => parseJsonText(text), {
          message: /^not valid JSON: line \d+, column \d+: .* is expected$/,
        });
        return;
      }
      t.deepEqual(parseJsonText(text), parsed);
    }),
    { numRuns: 2000 },
  );
});
