import test from 'ava';
import fc from 'fast-check';
import { formatError, MounterError } from '../../../src/errors.ts';
import { parseHelperArguments, parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { helperRules, mountRules } from '../../../src/mount/arguments/grammar.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { helperOptions } from '../../../src/mount/filesystems/mount-options.ts';
import { planMount } from '../../../src/mount/plan.ts';
import { fuzz, orMounterError } from '../../support/fuzz.ts';
import { manifest, target } from '../../support/model/node-model.ts';

const names = [...new Set([...mountRules, ...helperRules].flatMap((rule) => rule.names))];
const hostile = fc.string({ unit: 'binary', maxLength: 12 });
const word = fc.oneof(
  fc.constantFrom(...names, '--', '-', '-o', '-t', 'nfs', 'nfs4', 'glusterfs', 'srv:/x', 'srv:v', target),
  fc.tuple(fc.constantFrom(...names), hostile).map(([name, value]) => `${name}=${value}`),
  fc.tuple(fc.constantFrom('-o', '-t', '-v', '-fs'), hostile).map(([name, value]) => `${name}${value}`),
  fc.constantFrom(target, 'srv:').chain((start) => hostile.map((end) => `${start}/${end}`)),
  hostile,
);

/** A call that is whole, so that it comes to a plan as often as what is hostile in it lets it. */
const call = fc
  .tuple(fc.constantFrom('nfs', 'glusterfs'), fc.array(word, { maxLength: 2 }), hostile, hostile, hostile)
  .map(([type, words, path, name, options]) => [
    ...['-t', type, ...words, '-o', options],
    type === 'nfs' ? `srv:/${path}` : `srv:v/${path}`,
    `${target}${name}`,
  ]);

/** With the name that glusterfs would give its log. */
function withLog(options: string, at: string): string {
  const log = `log-file=/var/log/glusterfs/${at.slice(1).replaceAll('/', '-')}.log`;
  return options === '' ? log : `${options},${log}`;
}

/** What a helper may be given: nothing that ends a line or a word, and nothing that it takes for another thing. */
function isSafe(words: readonly string[]): boolean {
  return words.every((text) => !/[\x00-\x1f\x7f\ufffd]/.test(text)) && words[1]?.startsWith('-') === false;
}

for (const [title, parse] of [
  ['mount(8)', parseMountArguments],
  ['a helper', (argv: readonly string[]) => parseHelperArguments('mount.nfs', argv)],
] as const) {
  test.serial(`any argv of ${title} is a plan with a safe helper's argv, or one usage error`, async (t) => {
    await fuzz(
      t,
      fc.asyncProperty(fc.oneof(fc.array(word, { maxLength: 9 }), call), async (argv) => {
        const plan = await orMounterError(() => planMount(toMountRequest(parse(argv)), manifest));
        if (plan instanceof MounterError)
          return plan.status === 1 && formatError(plan).trimEnd().split('\n').length <= 2;
        return plan.steps.every((step) => step.kind !== 'runHelper' || isSafe(step.argv));
      }),
    );
  });
}

test.serial('what is given as source, target and options arrives byte for byte, or is refused', async (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 });
  await fuzz(
    t,
    fc.asyncProperty(
      text,
      text,
      text,
      fc.constantFrom('nfs', 'glusterfs'),
      async (path, name, options, type) => {
        const [source, place] = [type === 'nfs' ? `srv:/${path}` : `srv:v/${path}`, `${target}${name}`];
        const plan = await orMounterError(() =>
          planMount(
            toMountRequest(parseMountArguments(['-t', type, '-o', options, source, place])),
            manifest,
          ),
        );
        if (plan instanceof MounterError) return true;
        const step = plan.steps.find(({ kind }) => kind === 'runHelper');
        if (step?.kind !== 'runHelper') return false;
        const [, ...argv] = step.argv;
        const canonical = `/${place.split('/').filter(Boolean).join('/')}`;
        const told = helperOptions(options, type === 'nfs');
        const expected =
          type === 'nfs'
            ? [source, canonical, ...(told ? ['-o', told] : [])]
            : [source.replace(/\/+/g, '/'), `${canonical}/`, '-o', withLog(told, canonical)];
        return JSON.stringify(argv) === JSON.stringify(expected);
      },
    ),
  );
});
