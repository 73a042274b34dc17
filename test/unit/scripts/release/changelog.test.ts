import test from 'ava';
import { changesOf, debianChangelog } from '../../../../scripts/release/changelog.ts';

const text = `# Changes

Words before.

## 1.1.0, 2026-02-28

- New in this one, with many words, so many that they do not fit into a line of Debian's, whose lines
  are of 80 characters.
- A second one.

## 1.0.0, 2026-01-01

- The first.
`;

test('of a version its own section, and the day in its heading', (t) => {
  t.deepEqual(changesOf(text, '1.0.0', 'x'), {
    version: '1.0.0',
    epoch: Date.UTC(2026, 0, 1) / 1000,
    text: '## 1.0.0, 2026-01-01\n\n- The first.\n',
  });
  t.false(changesOf(text, '1.1.0', 'x').text.includes('The first'));
});

for (const [what, version, changed] of [
  ['no section', '1.0', text],
  ['a heading without a day', '1.0.0', text.replace(', 2026-01-01', ', soon')],
  ['a day that is none', '1.0.0', text.replace('2026-01-01', '2026-13-01')],
] as const)
  test(`refused, with what to write: ${what}`, (t) => {
    const { message } = t.throws(() => changesOf(changed, version, 'x'), { name: 'MounterError' });
    t.true(message.includes(`has no section that begins with "## ${version}, YEAR-MONTH-DAY"`));
  });

test('as a changelog of Debian: each change with its star, in lines of its length', (t) => {
  const written = debianChangelog('name', 'Who <who@example>', changesOf(text, '1.1.0', 'x'));
  t.is(
    written,
    `name (1.1.0) stable; urgency=medium

  * New in this one, with many words, so many that they do not fit into a line
    of Debian's, whose lines are of 80 characters.
  * A second one.

 -- Who <who@example>  Sat, 28 Feb 2026 00:00:00 +0000
`,
  );
});
