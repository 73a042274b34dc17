import test from 'ava';
import { meanings, settings } from '../../../src/manifest/settings-list.ts';
import { namesIn, section } from '../../support/texts/readme.ts';

test('each setting has its meaning, and nothing else has', (t) => {
  t.deepEqual(
    settings()
      .map(({ name }) => name)
      .sort(),
    Object.keys(meanings).sort(),
  );
});

test('the default is that of the schema, else what ships', (t) => {
  const defaults = new Map(settings().map((setting) => [setting.name, setting.default]));
  t.is(defaults.get('enter'), 'attach');
  t.is(defaults.get('limits.mountSeconds'), 110);
  t.is(defaults.get('log.to'), 'file');
  t.is(defaults.get('policy.images[].require'), true);
  t.is(defaults.get('policy.sources'), undefined);
});

test('of a setting that takes some words alone, the meaning has each', (t) => {
  const rows = section('All of them').rows.filter(([, takes = '']) => /^`[^`]+`, `/.test(takes));
  t.true(rows.length > 6);
  const untold = rows.flatMap(([name = '', takes = '', , meaning = '']) =>
    namesIn(takes)
      .filter((word) => !['true', 'false', 'null'].includes(word) && !meaning.includes(`\`${word}\``))
      .map((word) => `${name}: ${word}`),
  );
  t.deepEqual(untold, []);
});
