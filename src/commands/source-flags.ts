import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isDigest } from '../image/digest.ts';
import { ownArchitecture } from '../image/source/options.ts';
import type { SourceOptions } from '../image/source.ts';
import type { FlagsOf, FlagTable } from './command.ts';
import { badFlag } from './flags.ts';

/** The flags that say how an image is fetched. */
export const sourceFlags = {
  '--digest sha256:HEX': `what it must be: an image's digest; of a tar, the uncompressed one's. For a tar it is the manifest's
    rootfs.digest if left out`,
  '--platform linux/ARCH[/VARIANT]': "of an image for several; this machine's if left out",
  '--mirror HOST=URL': 'ask there first for what is at HOST; may be repeated',
  '--ca-file FILE': "PEM certificates to trust besides the system's",
  '--image-credential-provider-config FILE': `kubelet's file, or directory of files, that names its credential
    providers: they are asked for the image as kubelet asks them`,
  '--image-credential-provider-bin-dir DIR': 'where their programs are',
  '--verify-key FILE': `a public key in PEM (ECDSA P-256, Ed25519, RSA): the image has to be signed by it, as cosign signs;
    may be repeated, and one of them will do. What policy.images of the node's settings asks for, it asks for all the same`,
  '--plain-http': 'http where a registry has no https; on loopback it always may',
} as const satisfies FlagTable;

/** All but what the command itself sees to. */
export type FetchOptions = Omit<SourceOptions, 'downloadDirectory'>;

/** @throws MounterError (usage) that names the flag. */
export function readSourceFlags(flags: FlagsOf<typeof sourceFlags>): Omit<FetchOptions, 'progress'> {
  const [caFile, digest] = [flags.value('ca-file'), flags.value('digest')];
  if (caFile !== undefined && !existsSync(caFile))
    throw badFlag('ca-file', `${caFile} does not exist`, 'name a file of PEM certificates');
  if (digest !== undefined && !isDigest(digest)) throw badDigest(digest);
  const credentialProviders = readProviders(flags);
  return {
    ...(credentialProviders === undefined ? {} : { credentialProviders }),
    platform: parsePlatform(flags.value('platform')),
    plainHttp: flags.has('plain-http'),
    mirrors: parseMirrors(flags.values('mirror')),
    ...(caFile === undefined ? {} : { caFile }),
    ...(digest === undefined ? {} : { expectedDigest: digest }),
  };
}

function readProviders(flags: FlagsOf<typeof sourceFlags>): SourceOptions['credentialProviders'] {
  const [configFlag, programsFlag] = [
    'image-credential-provider-config',
    'image-credential-provider-bin-dir',
  ] as const;
  const [config, programs] = [flags.value(configFlag), flags.value(programsFlag)];
  if (config === undefined && programs === undefined) return undefined;
  if (config === undefined || programs === undefined) {
    const [given, missing] = config === undefined ? [programsFlag, configFlag] : [configFlag, programsFlag];
    throw badFlag(given, `needs --${missing}`, 'give both, as kubelet has them');
  }
  for (const [name, path] of [
    [configFlag, config],
    [programsFlag, programs],
  ] as const)
    if (!existsSync(path))
      throw badFlag(name, `${path} does not exist`, "name what kubelet's own flag names");
  return { config: resolve(config), programs: resolve(programs) };
}

function parsePlatform(word: string | undefined): SourceOptions['platform'] {
  if (word === undefined) return { os: 'linux', architecture: ownArchitecture };
  const match = /^linux\/(amd64|arm64)(?:\/([a-z0-9]+))?$/.exec(word);
  if (match === null)
    throw badFlag(
      'platform',
      `${word} is not a platform we know`,
      'linux/amd64 or linux/arm64, such as linux/arm64/v8',
    );
  const architecture = match[1] === 'arm64' ? 'arm64' : 'amd64';
  return { os: 'linux', architecture, ...(match[2] === undefined ? {} : { variant: match[2] }) };
}

/** Those of one registry in the order in which they are given. */
function parseMirrors(words: readonly string[]): SourceOptions['mirrors'] {
  const mirrors = new Map<string, readonly string[]>();
  for (const word of words) {
    const at = word.indexOf('=');
    const [host, url] = [word.slice(0, at), word.slice(at + 1)];
    if (at <= 0 || url === '')
      throw badFlag('mirror', `${word} is not HOST=URL`, 'such as --mirror docker.io=https://mirror.example');
    mirrors.set(host, [...(mirrors.get(host) ?? []), url]);
  }
  return Object.fromEntries(mirrors);
}

function badDigest(digest: string): MounterError {
  return new MounterError('the digest is not sha256: and 64 hexadecimal digits', {
    subject: digest,
    status: exitCode.usage,
    hint: 'give the digest of the image, or of the uncompressed tar of a rootfs, with --digest sha256:…',
  });
}
