import test from 'ava';
import { parseFlags } from '../../../src/commands/flags.ts';
import { readSourceFlags, sourceFlags } from '../../../src/commands/source-flags.ts';

const read = (...argv: readonly string[]) =>
  readSourceFlags(parseFlags({ name: 'install', flags: sourceFlags }, argv));

test('what is not said', (t) => {
  const { platform, ...others } = read();
  t.is(platform.os, 'linux');
  t.deepEqual(others, { plainHttp: false, mirrors: {} });
});

test('every flag', (t) => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const mirrors = [
    '--mirror',
    'docker.io=https://one',
    '--mirror',
    'other:5000=two=2',
    '--mirror=docker.io=three',
  ];
  t.deepEqual(
    read(
      '--platform',
      'linux/arm64/v8',
      '--plain-http',
      '--ca-file',
      '/dev/null',
      '--digest',
      digest,
      '--image-credential-provider-config',
      '/etc/../etc/passwd',
      '--image-credential-provider-bin-dir=/usr/bin',
      ...mirrors,
    ),
    {
      credentialProviders: { config: '/etc/passwd', programs: '/usr/bin' },
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      plainHttp: true,
      caFile: '/dev/null',
      expectedDigest: digest,
      mirrors: { 'docker.io': ['https://one', 'three'], 'other:5000': ['two=2'] },
    },
  );
});

for (const [argv, message] of [
  [['--platform', 'windows/amd64'], /windows\/amd64 is not a platform we know/],
  [['--platform', 'linux'], /linux is not a platform we know/],
  [['--platform', 'linux/amd64/'], /is not a platform we know/],
  [['--mirror', 'docker.io'], /docker.io is not HOST=URL/],
  [['--mirror', '=https://x'], /is not HOST=URL/],
  [['--mirror', 'host='], /is not HOST=URL/],
  [['--ca-file', '/no/such/file'], /\/no\/such\/file does not exist/],
  [['--digest', 'sha256:12'], /64 hexadecimal digits/],
  [['--image-credential-provider-config', '/etc'], /needs --image-credential-provider-bin-dir/],
  [['--image-credential-provider-bin-dir', '/etc'], /needs --image-credential-provider-config/],
  [
    ['--image-credential-provider-config', '/no/such', '--image-credential-provider-bin-dir', '/etc'],
    /\/no\/such does not exist/,
  ],
] as const)
  test(`refused: ${argv.join(' ')}`, (t) => {
    t.throws(() => read(...argv), { message });
  });
