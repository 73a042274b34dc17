import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { exitCode } from '../exit-codes.ts';
import type { Executable } from '../fleet/cloud-init.ts';
import { ownArchitecture } from '../image/source/options.ts';
import { defaultHome } from '../node/layout.ts';
import { defineCommand, type FlagsOf, type FlagTable } from './command.ts';
import { badFlag, fitting } from './flags.ts';
import { pinnedReference, plainPath } from './manifest-flags.ts';

const flags = {
  '--executable [ARCH=]URL':
    'where this executable is to be had; repeated, such as arm64=URL, for machines of the other architecture',
  '--executable-digest [ARCH=]sha256:HEX':
    "its digest; that of the executable which prints this if left out, needed for the other architecture's",
  '--image REFERENCE@sha256:HEX': 'what to install; or --url and --digest',
  '--url URL': 'what to install: an image as an OCI tar',
  '--digest sha256:HEX': 'of the image behind --url',
  '--kubelet-flag': 'give kubelet --experimental-mounter-path',
  '--helpers': 'place mount.nfs and the like too, for kubelets without the flag',
  '--settings FILE':
    'JSON that becomes node-settings.json of each machine, such as {"limits": {"mountSeconds": 60}}',
  '--home DIR': { text: 'MOUNTER_HOME on the machines', default: defaultHome },
} as const satisfies FlagTable;

type CloudInitFlags = FlagsOf<typeof flags>;

export const cloudInit = defineCommand({
  name: 'manifest cloud-init',
  summary: "print a cloud-config for a machine's first boot",
  usage: ['--executable URL (--image REFERENCE@sha256:HEX | --url URL --digest sha256:HEX) [OPTION…]'],
  flags,
  manual: [
    `cloud-init prints a cloud-config for machines that are built at their first boot: it fetches the executable and
    the image, checks their digests, and prepares the node at each boot before kubelet.`,
  ],
  examples: [
    'mounter manifest cloud-init --kubelet-flag --executable https://files.example/mounter --image registry.example/storage-tools@sha256:HEX',
  ],
  run: async (given, { output }) => {
    const { cloudInitText } = await import('../fleet/cloud-init.ts');
    const settings = given.value('settings');
    const request = {
      executables: await executablesOf(given),
      ...sourceOf(given),
      home: plainPath('home', given.value('home'), defaultHome),
      kubeletFlag: given.has('kubelet-flag'),
      helpers: given.has('helpers'),
      settings:
        settings && (await (await import('../fleet/settings-file.ts')).readNodeSettingsFile(settings)),
    };
    output.out(cloudInitText(request));
    return exitCode.success;
  },
});

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** An image by its pinned reference, or a file by URL and digest. */
function sourceOf(flags: CloudInitFlags): { readonly source: string; readonly digest: string } {
  const [image, url, digest] = [flags.value('image'), flags.value('url'), flags.value('digest')];
  if (image !== undefined && url !== undefined)
    throw badFlag('url', 'contradicts --image', 'give one of the two');
  if (image !== undefined && digest !== undefined)
    throw badFlag('digest', 'goes with --url', 'the digest of an image is part of its reference');
  if (image !== undefined)
    return { source: pinnedReference('image', image), digest: image.slice(image.indexOf('@') + 1) };
  if (url === undefined)
    throw badFlag(
      'image',
      'is missing',
      'such as --image registry.example/storage-tools@sha256:…, or --url and --digest',
    );
  if (digest === undefined)
    throw badFlag(
      'digest',
      'is missing: what is fetched has to be pinned',
      'such as --digest sha256:…, of the image in that file, as npm run image printed it',
    );
  return {
    source: httpsUrl('url', url),
    digest: fitting('digest', digest, digestPattern, 'sha256:…'),
  };
}

function httpsUrl(name: string, word: string): string {
  // Printable, without quotes or blanks: it goes into a shell script.
  if (/^https:\/\/[!-~]+$/.test(word) && URL.canParse(word) && !/['"`\\$]/.test(word)) return word;
  throw badFlag(name, `${word} is no https URL`, `such as --${name} https://files.example/mounter`);
}

/** @throws MounterError (usage) for one without a digest, and for two of one architecture. */
async function executablesOf(flags: CloudInitFlags): Promise<readonly Executable[]> {
  const urls = byArchitecture('executable', flags.values('executable'));
  if (urls.size === 0)
    throw badFlag('executable', 'is missing', 'such as --executable https://files.example/mounter');
  const digests = byArchitecture('executable-digest', flags.values('executable-digest'));
  const idle = [...digests.keys()].find((architecture) => !urls.has(architecture));
  if (idle !== undefined)
    throw badFlag(
      'executable-digest',
      `there is no executable for ${idle}`,
      `add --executable ${idle}=https://…`,
    );
  return await Promise.all(
    [...urls].map(async ([architecture, url]) => ({
      architecture,
      url: httpsUrl('executable', url),
      sha256: await sha256Of(architecture, digests.get(architecture)),
    })),
  );
}

/** Words such as `arm64=https://…`; without the name they are for this executable's own architecture. */
function byArchitecture(
  flag: string,
  words: readonly string[],
): ReadonlyMap<Executable['architecture'], string> {
  const values = new Map<Executable['architecture'], string>();
  for (const word of words) {
    const [, named, value = ''] = /^(?:(amd64|arm64)=)?(.*)$/s.exec(word) ?? [];
    const architecture = named === undefined ? ownArchitecture : named === 'arm64' ? 'arm64' : 'amd64';
    if (values.has(architecture))
      throw badFlag(
        flag,
        `is there twice for ${architecture}`,
        'name the architecture of each, such as arm64=…',
      );
    values.set(architecture, value);
  }
  return values;
}

/** This very executable's, unless another is named: who prints the manifest has tried it. */
async function sha256Of(
  architecture: Executable['architecture'],
  named: string | undefined,
): Promise<string> {
  if (named !== undefined)
    return fitting('executable-digest', named, digestPattern, 'sha256:…').slice('sha256:'.length);
  if (architecture !== ownArchitecture)
    throw badFlag(
      'executable-digest',
      `that of the executable for ${architecture} is missing`,
      `add --executable-digest ${architecture}=sha256:…, what sha256sum says of it`,
    );
  const hash = createHash('sha256');
  await pipeline(createReadStream('/proc/self/exe'), hash);
  return hash.digest('hex');
}
