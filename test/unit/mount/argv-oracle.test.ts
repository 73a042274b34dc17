import { type ChildProcess, spawn } from 'node:child_process';
import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { getopt, type OptionRule } from '../../../src/mount/arguments/getopt.ts';
import { helperRules, mountRules } from '../../../src/mount/arguments/grammar.ts';

// getopt(1) of util-linux calls the same getopt_long(3) as mount(8): whatever it says of an argv is right.

/** The words of getopt(1)'s answer: `-t`, `--types`, values, `--`, operands. Undefined when it refused. */
type ProbeAnswer = readonly string[] | undefined;

/** One shell for all questions: each line is a call, each answer a status, a count and that many words, NUL-ended. */
class Oracle {
  readonly #shell: ChildProcess;
  readonly #fields: AsyncIterator<string>;
  readonly #input: NodeJS.WritableStream;

  constructor(rules: readonly OptionRule[]) {
    const shell = spawn('/bin/sh', [], { env: { PATH: '/usr/bin:/bin' }, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#shell = shell;
    this.#input = shell.stdin;
    this.#fields = nulEnded(shell.stdout);
    this.#input.write(`ask() {
      words=$(getopt -n mount -o '${shortNames(rules)}' --long '${longNames(rules)}' -- "$@"); status=$?
      eval "set -- $words"
      printf '%s\\0' "$status" "$#" "$@"
    }\n`);
  }

  async ask(argv: readonly string[]): Promise<ProbeAnswer> {
    this.#input.write(`ask ${argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}\n`);
    const status = await this.#next();
    const words: string[] = [];
    for (let left = Number(await this.#next()); left > 0; left -= 1) words.push(await this.#next());
    return status === '0' ? words : undefined;
  }

  async #next(): Promise<string> {
    const { done, value } = await this.#fields.next();
    if (done) throw new Error('the shell ended before it answered');
    return value;
  }

  end(): void {
    this.#shell.kill();
  }
}

async function* nulEnded(stream: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}

function namesOf(rules: readonly OptionRule[], isLong: boolean): readonly string[] {
  const colons = { none: '', required: ':', optional: '::' };
  return rules.flatMap((rule) =>
    rule.names
      .filter((name) => name.startsWith('--') === isLong)
      .map((name) => name.replace(/^--?/, '') + colons[rule.value]),
  );
}
const shortNames = (rules: readonly OptionRule[]) => namesOf(rules, false).join('');
const longNames = (rules: readonly OptionRule[]) => namesOf(rules, true).join(',');

/** Our reading in getopt(1)'s words; an optional value that is absent is shown as '' there. */
function ourAnswer(argv: readonly string[], rules: readonly OptionRule[]): ProbeAnswer {
  try {
    const { options, positionals } = getopt(argv, rules);
    const words = options.flatMap(({ rule, name, value }) =>
      rule.value === 'none' ? [name] : [name, value ?? ''],
    );
    return [...words, '--', ...positionals];
  } catch (error) {
    if (error instanceof MounterError && error.status === 1) return undefined;
    throw error;
  }
}

/** Values and operands with all that has misled a parser; no NUL (argv has none) and no half of a surrogate pair. */
const text = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('ro', 'timeo=600,hard', 'a=b', 's:/x', '/m', 'nfs', 'true', 'false'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '-', '--', '-t', '-oro', '--types=nfs', '-5', '=', '--no-mtab'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('0', '007', '1e3', '0x10', '-0', '.5', "it's", '$HOME', 'a b\n', '\\'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }).map((s) => s.replaceAll('\0', '')) },
);

function argvOf(rules: readonly OptionRule[]): fc.Arbitrary<readonly string[]> {
  const letters = fc.constantFrom(...namesOf(rules, false).map((name) => name.charAt(0)));
  const names = fc.constantFrom(...namesOf(rules, true).map((name) => `--${name.replaceAll(':', '')}`));
  const name = fc.oneof(
    { weight: 4, arbitrary: names },
    { weight: 3, arbitrary: fc.tuple(names, fc.nat(20)).map(([full, length]) => full.slice(0, 3 + length)) },
    { weight: 1, arbitrary: fc.constantFrom('--x', '--typesx', '--r', '--') },
  );
  const cluster = fc.array(letters, { minLength: 1, maxLength: 4 }).map((given) => `-${given.join('')}`);
  const word = fc.oneof(
    { weight: 3, arbitrary: cluster.map((given) => [given]) },
    { weight: 2, arbitrary: fc.tuple(cluster, text).map(([given, value]) => [given + value]) },
    { weight: 2, arbitrary: name.map((given) => [given]) },
    { weight: 2, arbitrary: fc.tuple(name, text).map(([given, value]) => [`${given}=${value}`]) },
    { weight: 3, arbitrary: fc.tuple(fc.oneof(name, cluster), text).map((pair) => [...pair]) },
    { weight: 4, arbitrary: text.map((given) => [given]) },
  );
  return fc.array(word, { maxLength: 5 }).map((words) => words.flat());
}

for (const [program, rules] of [
  ['mount(8)', mountRules],
  ['a mount helper', helperRules],
] as const) {
  test(`argv of ${program} is read as getopt(1) reads it`, async (t) => {
    const oracle = new Oracle(rules);
    let accepted = 0;
    let refused = 0;
    try {
      await fc.assert(
        fc.asyncProperty(argvOf(rules), async (argv) => {
          const expected = await oracle.ask(argv);
          if (expected === undefined) refused += 1;
          else accepted += 1;
          t.deepEqual(ourAnswer(argv, rules), expected);
        }),
        { numRuns: 1000 },
      );
    } finally {
      oracle.end();
    }
    t.log(`${accepted} accepted, ${refused} refused`);
    t.true(accepted > 200 && refused > 100, 'the generated cases are a fair mix');
  });
}

// Through minimist: only options that are collected, and values that the grammar does not refuse.
const kept = mountRules.filter((rule) => rule.names.some((name) => /^-[torwvfnsc]$/.test(name)));
/** They come into an argv by the chance texts: mount(8) knows them, we say no. */
const refusedNames = new Set(mountRules.flatMap((rule) => (rule.refused === undefined ? [] : rule.names)));
const clean = (value: string) => value !== '' && !/^[='" \t]|"/.test(value);

/** What getopt(1)'s words ask for: the last type, the options in order, the operands. */
function meaning(words: readonly string[]) {
  const options: string[] = [];
  let fstype: string | undefined;
  const left = words.values();
  for (const word of left) {
    if (word === '--') break;
    if (word === '-t' || word === '--types') fstype = left.next().value;
    else if (word === '-o' || word === '--options') options.push(left.next().value ?? '');
    else if (['-r', '--ro', '--read-only'].includes(word)) options.push('ro');
    else if (['-w', '--rw', '--read-write'].includes(word)) options.push('rw');
  }
  return { fstype, options: options.join(','), operands: [...left] };
}

test('types, options and operands are those that getopt(1) finds', async (t) => {
  const oracle = new Oracle(mountRules);
  try {
    await fc.assert(
      fc.asyncProperty(argvOf(kept), async (argv) => {
        const words = await oracle.ask(argv);
        if (words === undefined) return fc.pre(false);
        fc.pre(words.every(clean));
        fc.pre(!words.some((word) => /^--(source|target|help|dry|json)/.test(word)));
        fc.pre(!words.some((word) => refusedNames.has(word)));
        const expected = meaning(words);
        fc.pre(expected.operands.length <= 2);
        const { fstype, options, source, target } = parseMountArguments(argv);
        const operands = [source, target].filter((operand) => operand !== undefined);
        t.deepEqual({ fstype, options, operands }, expected);
      }),
      { numRuns: 500, maxSkipsPerRun: 1000 },
    );
  } finally {
    oracle.end();
  }
});
