import { type MounterError, printable } from '../../errors.ts';
import { imageRules, type TextFile } from '../../manifest/node-settings.ts';
import type { ImageRule } from '../../manifest/policy.ts';
import { type ImageContent, sourceError } from '../content.ts';
import { canonicalName } from '../reference.ts';
import { judge } from './claim.ts';
import { type PublicKey, readPublicKey } from './public-key.ts';
import { mostSignatures } from './stored.ts';

/** A signature without which an image is not installed. */
export interface Demand {
  /** Files; one of them will do. */
  readonly keys: readonly string[];
  /** Who asks for it, for messages. */
  readonly by: string;
}

/**
 * What a list of rules asks of an image: the one with the longest prefix of its name. What lies in a file may call
 * itself anything, and so needs a key of any rule that asks for one.
 * @param repository `registry.example/team/tools`; undefined for a file.
 */
export function demandOf(rules: readonly ImageRule[], repository: string | undefined): Demand | undefined {
  const fitting =
    repository === undefined
      ? rules.filter(({ require }) => require)
      : rules
          .flatMap((rule) => fitsOf(rule.prefix, repository).map((length) => ({ rule, length })))
          .toSorted((a, b) => b.length - a.length)
          .slice(0, 1)
          .flatMap(({ rule }) => (rule.require ? [rule] : []));
  if (fitting.length === 0) return undefined;
  const keys = [...new Set(fitting.flatMap((rule) => rule.keys ?? []))];
  return { keys, by: 'policy.images' };
}

/** How much of a name a prefix is, in whole parts, however both are spelled; `*` is for all. Nothing where it is none. */
function fitsOf(prefix: string, repository: string): readonly number[] {
  if (prefix === '*') return [0];
  const name = `${ofHub(canonicalName(repository))}/`;
  const begin = canonicalName(prefix.replace(/\/$/, ''));
  return [ofHub(begin), begin].filter((one) => name.startsWith(`${one}/`)).map(({ length }) => length);
}

/** What has no owner on Docker Hub has this one. */
function ofHub(name: string): string {
  return name.replace(/^docker\.io\/(?=[^/]+$)/, 'docker.io/library/');
}

/** Whoever has a say in which images this node takes. */
export interface Askers {
  /** From the command line. */
  readonly verifyKeys: readonly string[];
  /** The node's own settings, over the manifest that it has, and over the one that is to be installed. */
  readonly shipped: readonly TextFile[];
  readonly own: TextFile | undefined;
}

/**
 * Refuses an image that lacks a signature which somebody asks for; that it brings a manifest which asks for none is no
 * reason to take it.
 * @param report is told who has signed it.
 * @throws MounterError that names the image and why; Transient's failure where its registry cannot be asked.
 */
export async function requireSigned(
  content: ImageContent,
  { verifyKeys, shipped, own }: Askers,
  report: (message: string) => void,
): Promise<void> {
  const lists =
    shipped.length === 0 ? [imageRules(undefined, own)] : shipped.map((file) => imageRules(file, own));
  const demands = lists.flatMap((rules) => demandOf(rules, content.signed?.repository) ?? []);
  if (verifyKeys.length > 0) demands.push({ keys: verifyKeys, by: '--verify-key' });
  for (const demand of demands) await requireOne(content, demand, report);
}

/** What is wrong with more than so many helps nobody. */
const mostReasons = 3;

async function requireOne(
  content: ImageContent,
  demand: Demand,
  report: (message: string) => void,
): Promise<void> {
  const { signed, reference } = content;
  const keys = demand.keys.map(readPublicKey);
  if (signed === undefined) throw notSignable(reference, demand);
  const by = await signed.checkSignatures(async (found): Promise<PublicKey> => {
    const reasons = new Set<string>();
    let looked = 0;
    for await (const signature of found) {
      const verdict = await judge(signature, signed.digest, keys);
      if ('signedBy' in verdict) return verdict.signedBy;
      if (reasons.size < mostReasons) reasons.add(verdict.why);
      looked += 1;
      if (looked >= mostSignatures) break;
    }
    throw unsigned(content, demand, [...reasons]);
  });
  report(`${reference}: ${signed.digest} is signed by ${by.path}`);
}

function notSignable(reference: string, { by }: Demand): MounterError {
  const message = `is no image with a manifest, and cannot have a signature, which ${by} asks for`;
  const hint = 'install it as an image: from a registry, or an OCI layout with its signature';
  return sourceError(reference, message, hint);
}

function unsigned(
  { reference, signed }: ImageContent,
  { by, keys }: Demand,
  reasons: readonly string[],
): MounterError {
  const name = signed?.repository ?? 'NAME';
  const image = `${name}@${signed?.digest}`;
  const whole =
    signed?.repository === undefined ? `, then bring both: cosign save --dir DIRECTORY ${image}` : '';
  if (reasons.length === 0) {
    const hint = `have it signed by who publishes it: cosign sign --key KEY ${image}${whole}`;
    return sourceError(reference, `has no signature, which ${by} asks for`, hint);
  }
  const message = `has no signature by ${keys.join(' or ')}, which ${by} asks for: ${reasons.map((reason) => printable(reason.slice(0, 200))).join('; ')}`;
  const hint = `compare: cosign verify --insecure-ignore-tlog --key ${keys[0]} ${image}; where the key is right, have the image signed again${whole}`;
  return sourceError(reference, message, hint);
}
