import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ImageConfig } from '../content.ts';
import type { Descriptor } from './documents.ts';
import type { Platform } from './options.ts';

/** The variant that every machine of the architecture runs. Most images do not name it. */
const baseline: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };

/** Names that some builders write instead of Go's. @see https://github.com/containerd/platforms, database.go */
const goNames: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64' };

/** As an image says it; what is empty is not said. */
interface SaidPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** Another thing than the image that is looked for: where there are several, the next one may be it. */
export class OtherImage extends MounterError {
  constructor(reference: string, message: string, hint: string) {
    super(message, { subject: reference, status: exitCode.system, hint });
  }
}

/**
 * The manifests that an index has for `platform`: of its variant if there is one, otherwise the one that
 * every machine of the architecture runs; otherwise all that name no platform, for their configurations do.
 * @throws OtherImage that lists the platforms there are.
 */
export function choosePlatform(
  manifests: readonly Descriptor[],
  platform: Platform,
  reference: string,
): readonly Descriptor[] {
  const ofVariant = (wanted: string | undefined) =>
    manifests.find(({ platform: offered }) => {
      if (isUnsaid(offered)) return false;
      const { os, architecture, variant } = plain(offered);
      return os === platform.os && architecture === platform.architecture && variant === wanted;
    });
  const chosen = ofVariant(platform.variant) ?? ofVariant(baseline[platform.architecture]);
  if (chosen !== undefined) return [chosen];
  const unsaid = manifests.filter((descriptor) => isUnsaid(descriptor.platform));
  if (unsaid.length > 0) return unsaid;
  throw noImage(manifests, platform, reference);
}

function noImage(manifests: readonly Descriptor[], platform: Platform, reference: string): OtherImage {
  const offered = [...new Set(manifests.flatMap(offeredPlatform))].sort();
  return new OtherImage(
    reference,
    `there is no image for ${platformText(platform)}; there is one for ${offered.join(', ') || 'no platform at all'}`,
    'choose another image, or one that was built for this platform',
  );
}

function isUnsaid(platform: SaidPlatform | undefined): platform is undefined {
  return platform === undefined || (platform.os === '' && platform.architecture === '');
}

/** In Go's names, with the variant that is meant. */
function plain({ os, architecture, variant = '' }: SaidPlatform): Required<SaidPlatform> {
  const lower = architecture.toLowerCase();
  const name = goNames[lower] ?? lower;
  return {
    os: os === '' ? 'linux' : os.toLowerCase(),
    architecture: name,
    variant: (variant.toLowerCase() || baseline[name])?.replace(/^(?=\d)/, 'v'),
  };
}

/** Attestations stand in an index as manifests for the platform `unknown/unknown`. */
function offeredPlatform({ platform }: Descriptor): readonly string[] {
  return platform === undefined || platform.os === 'unknown' ? [] : [platformText(platform)];
}

function platformText({ os, architecture, variant = '' }: SaidPlatform): string {
  return [os, architecture, ...(variant === '' ? [] : [variant])].join('/');
}

/** @throws OtherImage when the image's own configuration names another platform. */
export function refusePlatform(config: ImageConfig, platform: Platform, reference: string): void {
  const { os, architecture } = plain(config);
  // Old builders left them empty.
  if (os === platform.os && (architecture === '' || architecture === platform.architecture)) return;
  throw new OtherImage(
    reference,
    `the image is for ${platformText(config)}, not for ${platformText(platform)}`,
    'choose an image that was built for this platform',
  );
}
