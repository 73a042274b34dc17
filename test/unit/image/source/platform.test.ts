import test from 'ava';
import type { Descriptor } from '../../../../src/image/source/documents.ts';
import type { Platform } from '../../../../src/image/source/options.ts';
import { choosePlatform } from '../../../../src/image/source/platform.ts';

const all = [
  'linux/amd64',
  'linux/amd64/v3',
  'linux/arm64/v8',
  'linux/arm64/v9',
  'linux/arm/v7',
  'unknown/unknown',
];

/** `none` says nothing. */
function manifestsFor(platforms: readonly string[]): readonly Descriptor[] {
  return platforms.map((text) => {
    const [os = '', architecture = '', variant = ''] = text.split('/');
    const descriptor = {
      mediaType: text,
      artifactType: '',
      digest: `sha256:${'0'.repeat(64)}`,
      size: 1,
      annotations: {},
    };
    return text === 'none' ? descriptor : { ...descriptor, platform: { os, architecture, variant } };
  });
}

const choices: readonly (readonly [
  architecture: Platform['architecture'],
  variant: string,
  chosen: string,
])[] = [
  ['amd64', '', 'linux/amd64'],
  ['amd64', 'v3', 'linux/amd64/v3'],
  ['amd64', 'v2', 'linux/amd64'],
  ['arm64', '', 'linux/arm64/v8'],
  ['arm64', 'v8', 'linux/arm64/v8'],
  ['arm64', 'v9', 'linux/arm64/v9'],
];
for (const [architecture, variant, chosen] of choices) {
  test(`for ${architecture} ${variant || 'of any kind'}: ${chosen}`, (t) => {
    const platform = { os: 'linux' as const, architecture, ...(variant !== '' && { variant }) };
    t.deepEqual(typesFor(all, platform), [chosen]);
  });
}

function typesFor(platforms: readonly string[], platform: Platform): readonly string[] {
  return choosePlatform(manifestsFor(platforms), platform, 'ref').map(({ mediaType }) => mediaType);
}

/** What is chosen for amd64. */
const odd: Readonly<Record<string, readonly [all: readonly string[], chosen: readonly string[]]>> = {
  'one that names no platform': [['none'], ['none']],
  'those that name no platform, in order': [
    ['linux/arm64', 'none', '/', 'none'],
    ['none', '/', 'none'],
  ],
  'one that fits before one that says nothing': [['none', 'linux/amd64'], ['linux/amd64']],
  'no system': [['/amd64'], ['/amd64']],
  "a kernel's name of the architecture": [['linux/x86_64'], ['linux/x86_64']],
  'capitals, and a variant of digits': [['Linux/AMD64/1'], ['Linux/AMD64/1']],
};
for (const [what, [platforms, chosen]] of Object.entries(odd))
  test(`an index with odd platforms: ${what}`, (t) => {
    t.deepEqual(typesFor(platforms, { os: 'linux', architecture: 'amd64' }), chosen);
  });

test('none that fits: all that there are are named, attestations are not', (t) => {
  const platform = { os: 'linux', architecture: 'amd64' } as const;
  const manifests = manifestsFor(['windows/amd64', 'linux/amd64/v3', 'unknown/unknown', 'linux/arm64']);
  t.throws(() => choosePlatform(manifests, platform, 'ref'), {
    message: 'there is no image for linux/amd64; there is one for linux/amd64/v3, linux/arm64, windows/amd64',
  });
  t.throws(() => choosePlatform([], platform, 'ref'), { message: /no platform at all/ });
});
