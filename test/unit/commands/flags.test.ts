import test from 'ava';
import fc from 'fast-check';
import { checkVariables, parseFlags } from '../../../src/commands/flags.ts';
import { MounterError } from '../../../src/errors.ts';

const command = {
  name: 'test',
  operands: '[FIRST] [SECOND]',
  flags: {
    '--json': '',
    '--digest HEX': '',
    '--home DIR': '',
  },
} as const;
const parse = (...argv: readonly string[]) => parseFlags(command, argv);

test('flags and operands in any order', (t) => {
  for (const argv of [
    ['--json', '--digest', 'x', 'a', 'b'],
    ['a', '--digest=x', 'b', '--json'],
    ['--json', 'a', '--digest', 'x', '--', 'b'],
  ]) {
    const flags = parse(...argv);
    t.deepEqual([flags.operands, flags.has('json'), flags.value('digest')], [['a', 'b'], true, 'x']);
    t.is(flags.value('home'), undefined);
  }
});

test('after -- everything is an operand', (t) => {
  t.deepEqual(parse('--', '--json', '-x').operands, ['--json', '-x']);
  t.false(parse('--', '--json').has('json'));
});

test('an operand with … may be given any number of times, another one not', (t) => {
  const rest = { name: 'test', operands: 'FIRST [OTHER…]', flags: {} } as const;
  t.deepEqual(parseFlags(rest, ['a', 'b', 'c', 'd']).operands, ['a', 'b', 'c', 'd']);
  t.throws(() => parseFlags(rest, []), { message: 'FIRST is missing' });
  t.throws(() => parse('a', 'b', 'c'), { message: 'is one operand too many for mounter test' });
});

test('what is no command of the mounter is named by its own call', (t) => {
  const script = { name: 'demo', call: 'npm run demo --', flags: {} } as const;
  const surplus = t.throws(() => parseFlags(script, ['x']), { instanceOf: MounterError });
  t.is(surplus?.message, 'is one operand too many for npm run demo');
  t.is(surplus?.hint, 'see npm run demo -- --help');
});

test('operands stay texts', (t) => {
  t.deepEqual(parse('007', '1e3').operands, ['007', '1e3']);
  t.is(parse('--digest', '007').value('digest'), '007');
});

test('a flag that begins with no-, and one that is given several times', (t) => {
  const flags = (...argv: readonly string[]) =>
    parseFlags(
      {
        name: 'test',
        operands: '[FIRST] [SECOND]',
        flags: {
          '--no-switch': '',
          '--mirror URL': '',
        },
      },
      argv,
    );
  t.true(flags('a', '--no-switch').has('no-switch'));
  t.false(flags('a').has('no-switch'));
  t.false(flags('--', '--no-switch').has('no-switch'));
  t.deepEqual(flags('--', '--no-switch').operands, ['--no-switch']);
  t.throws(() => flags('--switch'), { message: /unknown option/ });
  t.deepEqual(flags('--mirror', 'a=b', '--mirror=c=d').values('mirror'), ['a=b', 'c=d']);
  t.deepEqual(flags().values('mirror'), []);
  t.throws(() => flags('--mirror=').values('mirror'), { message: /needs a value/ });
});

const mistakes: readonly (readonly [argv: readonly string[], subject: string, message: RegExp])[] = [
  [['a', 'b', 'c'], 'c', /one operand too many for mounter test/],
  [['--jsn'], '--jsn', /unknown option/],
  [['--jsn=1'], '--jsn', /unknown option/],
  [['-j'], '-j', /unknown option/],
  [['--digest'], '--digest', /needs a value/],
  [['--digest='], '--digest', /needs a value/],
  [['--digest', 'a', '--digest', 'b'], '--digest', /given more than once/],
  [['--no-digest'], '--digest', /needs a value/],
];
for (const [argv, subject, message] of mistakes) {
  test(`refused: ${argv.join(' ')}`, (t) => {
    const error = t.throws(() => parse(...argv).value('digest'), { instanceOf: MounterError, message });
    t.is(error?.subject, subject);
    t.is(error?.status, 1);
  });
}

test('whatever the words are: flags or a MounterError', (t) => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--', '-', '--__proto__', '--constructor=1', '--json=x', '-h'),
  );
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      try {
        parse(...argv);
      } catch (error) {
        if (!(error instanceof MounterError)) throw error;
      }
      t.false('polluted' in {});
    }),
  );
});

test('a variable that is mistyped is named with the one that was meant; that of a Service is none of ours', (t) => {
  const known = ['MOUNTER_HOME', 'MOUNTER_MANIFEST', 'NO_COLOR'];
  for (const [name, meant] of [
    ['MOUNTER_HOM', 'MOUNTER_HOME'],
    ['MOUNTER_home', 'MOUNTER_HOME'],
    ['MOUNTER_MANIFESTS', 'MOUNTER_MANIFEST'],
  ] as const) {
    const error = t.throws(() => checkVariables(['PATH', name], known), { instanceOf: MounterError });
    t.like(error, { subject: name, status: 1, hint: `did you mean ${meant}? Else unset it` });
  }
  const others = ['MOUNTER_SERVICE_HOST', 'MOUNTER_PORT', 'MOUNTER_PORT_80_TCP_ADDR', 'MOUNTER_FULL', 'HOME'];
  t.notThrows(() => checkVariables([...known, ...others, 'MOUNTER_CALLS', 'NO_COLOUR'], known));
});
