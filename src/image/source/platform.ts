import { type ImageConfig, sourceError } from '../content.ts';
import type { Descriptor } from './documents.ts';
import type { Platform } from './options.ts';

/** The variant that every machine of the architecture runs. Most images do not name it. */
const baseline: Readonly<Record<Platform['architecture'], string>> = { amd64: 'v1', arm64: 'v8' };

/**
 * The manifest that an index has for `platform`: of its variant if there is one, otherwise the one that
 * every machine of the architecture runs.
 * @throws MounterError (system) that lists the platforms there are.
 */
export function choosePlatform(
  manifests: readonly Descriptor[],
  platform: Platform,
  reference: string,
): Descriptor {
  const fitting = manifests.filter(
    ({ platform: offered }) => offered?.os === platform.os && offered.architecture === platform.architecture,
  );
  const variantOf = ({ platform: offered }: Descriptor) =>
    offered?.variant ?? baseline[platform.architecture];
  const chosen =
    fitting.find((descriptor) => variantOf(descriptor) === platform.variant) ??
    fitting.find((descriptor) => variantOf(descriptor) === baseline[platform.architecture]);
  if (chosen !== undefined) return chosen;
  const offered = [...new Set(manifests.flatMap(offeredPlatform))].sort();
  throw sourceError(
    reference,
    `there is no image for ${platformText(platform)}; there is one for ${offered.join(', ') || 'no platform at all'}`,
    'choose another image, or one that was built for this platform',
  );
}

/** Attestations stand in an index as manifests for the platform `unknown/unknown`. */
function offeredPlatform({ platform }: Descriptor): readonly string[] {
  return platform === undefined || platform.os === 'unknown' ? [] : [platformText(platform)];
}

function platformText(platform: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}): string {
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** @throws MounterError (system) when the image's own configuration names another platform. */
export function refusePlatform(config: ImageConfig, platform: Platform, reference: string): void {
  const { os, architecture } = config;
  // Old builders left them empty.
  if ((os === '' || os === platform.os) && (architecture === '' || architecture === platform.architecture))
    return;
  throw sourceError(
    reference,
    `the image is for ${platformText(config)}, not for ${platformText(platform)}`,
    'choose an image that was built for this platform',
  );
}
