import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { cloudInitText } from '../fleet/cloud-init.ts';
import { yamlText } from '../fleet/yaml.ts';
import { defaultHome } from '../node/layout.ts';
import { type Flags, parseFlags } from './flags.ts';
import { badFlag, fitting, pinnedReference, plainPath, requiredFlag } from './manifest-flags.ts';

/** `mounter manifest cloud-init` @returns a #cloud-config. */
export async function cloudConfigText(argv: readonly string[]): Promise<string> {
  const flags = parseFlags('manifest', argv, {
    boolean: ['kubelet-flag', 'helpers'],
    string: ['executable', 'executable-digest', 'image', 'url', 'digest', 'home'],
    operands: [0, 0],
  });
  const executable = requiredFlag(flags, 'executable', 'https://files.example/mounter');
  const request = {
    executableUrl: httpsUrl('executable', executable),
    executableSha256: await executableSha256(flags),
    ...sourceOf(flags),
    home: plainPath('home', flags.value('home') ?? defaultHome),
    kubeletFlag: flags.has('kubelet-flag'),
    helpers: flags.has('helpers'),
  };
  return cloudInitText(request, (document) => yamlText([document]));
}

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** An image by its pinned reference, or a file by URL and digest. */
function sourceOf(flags: Flags): { readonly source: string; readonly digest: string } {
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
    throw badFlag('digest', 'is missing: what is fetched has to be pinned', 'rootfs.digest of the manifest');
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

/** This very executable's, unless another is named: who prints the manifest has tried it. */
async function executableSha256(flags: Flags): Promise<string> {
  const named = flags.value('executable-digest');
  if (named !== undefined)
    return fitting('executable-digest', named, digestPattern, 'sha256:…').slice('sha256:'.length);
  const hash = createHash('sha256');
  await pipeline(createReadStream('/proc/self/exe'), hash);
  return hash.digest('hex');
}
