import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../../src/errors.ts';
import { lastOption, parseOptions } from '../../../../src/mount/arguments/options.ts';
import { hideSecrets, maskSecrets } from '../../../../src/secrets.ts';

for (const [options, texts] of [
  ['', []],
  [',,', []],
  ['ro', ['ro']],
  ['hard,nfsvers=4.1,ro', ['hard', 'nfsvers=4.1', 'ro']],
  [',,a,,b,', ['a', 'b']],
  [
    'hard,context="system_u:object_r:x:s0:c1,c2",ro',
    ['hard', 'context="system_u:object_r:x:s0:c1,c2"', 'ro'],
  ],
  ['a"b,c"d,e', ['a"b,c"d', 'e']],
  ['a="",b', ['a=""', 'b']],
  ["a='x,b'", ["a='x", "b'"]], // single quotes are letters like any other
  ['a\\,b', ['a\\', 'b']], // as in mount.nfs
  ['a, b', ['a', ' b']],
] as const) {
  test(`the items of '${options}' are ${JSON.stringify(texts)}`, (t) => {
    t.deepEqual(
      parseOptions(options).map((option) => option.text),
      [...texts],
    );
  });
}

for (const [text, name, value] of [
  ['ro', 'ro', undefined],
  ['vers=4.1', 'vers', '4.1'],
  ['vers=', 'vers', ''],
  ['a=b=c', 'a', 'b=c'],
  ['context="x,y"', 'context', '"x,y"'],
  ['=x', '=x', undefined],
  ['=x=y', '=x', 'y'],
] as const) {
  test(`'${text}' is named '${name}' with the value ${value}`, (t) => {
    t.deepEqual(parseOptions(text), [{ name, value, text }]);
  });
}

for (const options of ['a="x,b', '"', 'ro,password="hunter2,hard', 'password=x,hunter2"']) {
  test(`the open quote in '${options}' is refused without a word of it`, (t) => {
    const error = t.throws(() => parseOptions(options), { instanceOf: MounterError });
    t.is(error.status, 1);
    t.notRegex(`${error.subject} ${error.message} ${error.hint}`, /hunter2|password/);
  });
}

test('without quotes the items are those of a split at commas', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string().map((text) => text.replaceAll(/[",]/g, ''))), (items) => {
      const texts = parseOptions(items.join(',')).map((option) => option.text);
      t.deepEqual(
        texts,
        items.filter((item) => item !== ''),
      );
    }),
  );
});

test('the last of several spellings counts', (t) => {
  const options = parseOptions('vers=3,ro,nfsvers=4.1,hard');
  t.is(lastOption(options, 'vers', 'nfsvers')?.value, '4.1');
  t.is(lastOption(options, 'vers')?.value, '3');
  t.is(lastOption(options, 'ver'), undefined);
});

for (const [options, masked] of [
  ['', ''],
  ['hard,nfsvers=4.1,ro', 'hard,nfsvers=4.1,ro'],
  ['ro,password=hunter2,hard', 'ro,password=<masked>,hard'],
  ['password=', 'password=<masked>'],
  ['password', 'password'],
  [
    'pass=a,passwd=b,password2=c,secret=d',
    'pass=<masked>,passwd=<masked>,password2=<masked>,secret=<masked>',
  ],
  ['credentials=/f,cred=/g,key=h', 'credentials=<masked>,cred=<masked>,key=<masked>'],
  ['PassWord=hunter2,ro', 'PassWord=<masked>,ro'],
  ['nopassword=x,passport=y,keyring=z,timeo=5', 'nopassword=x,passport=y,keyring=z,timeo=5'],
  ['password=a=b,ro', 'password=<masked>,ro'],
  ['password="hun,ter2",ro', 'password=<masked>,ro'],
  ['password=a"b,c"d,ro', 'password=<masked>,ro'],
  ['password="hunter2,ro', 'password=<masked>'],
  ['password=hun,,ter2,ro', 'password=<masked>,ro'],
  ['password=hun\\,ter2,ro', 'password=<masked>,ro'],
  ['password=hun\\"ter,2,ro', 'password=<masked>'],
  ['password=a,,secret=b,ro', 'password=<masked>,ro'],
  ['x="a,password=hunter2",ro', 'x="a,password=<masked>'],
  ['ro, password=hunter2', 'ro, password=<masked>'],
  ['user=joe,username=joe,ro', 'user=joe,username=joe,ro'],
  ['user=joe%hunter2,ro', 'user=<masked>,ro'],
  [',,ro,,password=x,', ',,ro,,password=<masked>,'],
  ['token=a,passphrase=b,pwd=c,auth=d', 'token=<masked>,passphrase=<masked>,pwd=<masked>,auth=<masked>'],
  [
    'access_key=a,secret_key=b,session_token=c',
    'access_key=<masked>,secret_key=<masked>,session_token=<masked>',
  ],
  [
    'access_key_id=a,secretAccessKey=b,apikey=c',
    'access_key<masked>,secretAccessKey=<masked>,apikey=<masked>',
  ],
  [
    'x.auth-token=a,client_secret=b,passwords=c',
    'x.auth-token=<masked>,client_secret=<masked>,passwords=<masked>',
  ],
  ['--bootstrap-token=a', '--bootstrap-token=<masked>'],
  ['Authorization: Bearer x', 'Authorization:<masked>'],
  ['password:hunter2,ro', 'password:<masked>,ro'],
  ['password =hunter2,ro', 'password =<masked>,ro'],
  ['password = hunter2,ro', 'password =<masked>,ro'],
  ['password==hunter2,ro', 'password=<masked>,ro'],
  ['password;hunter2,ro', 'password;<masked>,ro'],
  ['password hunter2,ro', 'password<masked>,ro'],
  ['password-hunter2,ro', 'password<masked>,ro'],
  ['password_hunter2,ro', 'password<masked>,ro'],
  ['password"hun,ter2",ro', 'password<masked>,ro'],
  ['"password"=hunter2', '"password<masked>'],
  ["'password'='hunter2'", "'password<masked>"],
  ['password：hunter2', 'password：<masked>'],
  ['user:joe%hunter2,ro', 'user:<masked>,ro'],
  ['secret.example:/export', 'secret.example:/export'],
  ['auth-nfs:/export', 'auth-nfs:/export'],
  ['password:/hunter2', 'password:<masked>'],
  ['hard,sec=krb5p,auto_unmount,author=x,keys-not', 'hard,sec=krb5p,auto_unmount,author=x,keys<masked>'],
] as const) {
  test(`'${options}' is shown as '${masked}'`, (t) => {
    t.is(maskSecrets(options), masked);
  });
}

test('no secret is shown, wherever it stands, and masking never throws', (t) => {
  const noise = fc.string({ unit: fc.constantFrom('a', '=', ',', '"', '\\', ' ', '%') });
  const names = fc.constantFrom(
    'password',
    'pass',
    'passwd',
    'secret',
    'credentials',
    'cred',
    'key',
    'SECRET',
    'session_token',
    'access-key',
    'passphrase',
  );
  const separators = fc.constantFrom('=', ':', ' = ', '==', ' :', ';', '"', '/', ' ', '-', '_');
  fc.assert(
    fc.property(noise, names, separators, noise, (before, name, separator, after) => {
      t.false(maskSecrets(`${before},${name}${separator}hunter2${after}`).includes('hunter2'));
    }),
  );
});

test('a long text is masked in a moment', (t) => {
  const started = performance.now();
  for (const text of ['a-', 'key-', 'a', 'key ', 'password', '"', ',key=', ' '])
    maskSecrets(`${text.repeat(100_000)},password=hunter2`);
  t.true(performance.now() - started < 5000);
});

for (const [options, said, shown] of [
  [
    'vers=4,password=hunter2,ro',
    "mount.nfs: trying text-based options 'vers=4,password=hunter2,ro,addr=10.0.0.5'\n",
    "mount.nfs: trying text-based options 'vers=4,password=<masked>,ro,addr=10.0.0.5'\n",
  ],
  ['pass=a,ro', 'a bad option: pass=a\n', 'a bad option: pass=<masked>\n'],
  ['user=joe%hunter2', 'joe%hunter2 is refused\n', '<masked> is refused\n'],
  ['password=hun,,ter2', "'hun,,ter2'\n", "'<masked>'\n"],
  ['password : hunter2', 'bad option hunter2\n', 'bad option <masked>\n'],
  ['token="hunter2"', 'bad option hunter2\n', 'bad option <masked>\n'],
  ['ro', 'password=hunter2 was never given\n', 'password=hunter2 was never given\n'],
] as const) {
  test(`a helper that was given '${options}' is quoted without its secrets`, (t) => {
    t.is(hideSecrets(options, said), shown);
  });
}

test('options without a secret are shown byte for byte', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'é', '=', ',', '"', '\\', ' ') }), (options) => {
      t.is(maskSecrets(options), options);
    }),
  );
});
