import { isIP } from 'node:net';
import * as v from 'valibot';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Manifest, parseManifest, resolver } from '../manifest/manifest.ts';
import { combinePatches, mergePatch } from '../manifest/merge-patch.ts';
import { isObject, withTodaysNames } from '../manifest/renamed.ts';
import { parseStrictly } from '../manifest/strict-json.ts';
import { parseResolvConf } from '../resolver/resolv-conf.ts';
import { objectionTo, objectionToTypes } from './settable.ts';

/**
 * An operator's settings for all nodes: sections of rootfs-manifest.json that are laid over the image's own,
 * such as `{"filesystems": {"glusterfs": null}}` or `{"limits": {"mountSeconds": 60}}`.
 */

type Json = Readonly<Record<string, unknown>>;

/**
 * The settings in `text`; none where it is empty. The same check, with the same words, where they are printed for
 * the cluster and where they arrive on a node: a ConfigMap can be edited on the way.
 * @param subject where they are from, for messages.
 * @throws MounterError with `status` that names the setting, and why a ConfigMap may not have it.
 */
export function parseSettings(text: string, subject: string, status: number): Json {
  const json = withTodaysNames(text.trim() === '' ? {} : readJson(text, subject, status));
  if (!isObject(json)) throw settingsError('is no JSON object', subject, status);
  const objection = objectionTo(json);
  if (objection !== undefined) throw settingsError(objection.message, subject, status, objection.hint);
  return json;
}

/**
 * The manifest with `settings` in it; the very same text where there are none.
 * @param subject where the settings are from, for messages.
 * @param dns the cluster's, for as long as kubelet writes none; where the settings name no other.
 * @throws MounterError (system) that names the field.
 */
export function applySettings(
  manifestText: string,
  settings: string,
  subject: string,
  dns?: ClusterDns,
): LaidOver {
  const { wanted, laid } = checkSettings(manifestText, settings, subject, exitCode.system);
  const { mode, nameservers } = laid.manifest.resolver;
  const isToKnow = dns !== undefined && mode === 'kubelet' && nameservers.length === 0;
  return isToKnow ? layOver(manifestText, combinePatches(wanted, { resolver: dns })) : laid;
}

type ClusterDns = Pick<Manifest['resolver'], 'nameservers' | 'searches'>;

/** The domain of a Pod's own namespace, `default.svc.cluster.local`. */
const ofNamespace = /^[^.]+\.svc\./;

/**
 * The cluster's name servers and domains, as kubelet gives them to a Pod with `dnsPolicy: ClusterFirst`: for a node
 * whose kubelet has not written them into the rootfs. The domain of the
 * agent's own namespace is left out: no mount belongs to that namespace.
 * @param text of the Pod's own /etc/resolv.conf.
 * @returns undefined where there is nothing in it that a manifest may have.
 */
export function clusterDns(text: string): ClusterDns | undefined {
  const { nameservers, searches } = parseResolvConf(text);
  const dns = {
    nameservers: nameservers.filter((address) => isIP(address) !== 0),
    searches: searches.filter((domain) => !ofNamespace.test(domain)),
  };
  return dns.nameservers.length > 0 && v.is(resolver, dns) ? dns : undefined;
}

interface LaidOver {
  readonly text: string;
  readonly manifest: Manifest;
}

/**
 * The settings in `text`, checked as each node checks them: every field, and laid over `manifestText`.
 * @throws MounterError with `status` that names the setting.
 */
export function checkSettings(
  manifestText: string,
  text: string,
  subject: string,
  status: number,
): { readonly wanted: Json; readonly laid: LaidOver } {
  const wanted = parseSettings(text, subject, status);
  const objection = objectionToTypes(wanted, Object.keys(JSON.parse(manifestText).filesystems));
  if (objection !== undefined) throw settingsError(objection.message, subject, status, objection.hint);
  try {
    return { wanted, laid: layOver(manifestText, wanted) };
  } catch (error) {
    throw settingsError((error as Error).message, subject, status, 'mend this setting, or take it out');
  }
}

function layOver(manifestText: string, wanted: unknown): LaidOver {
  const isNone = isObject(wanted) && Object.keys(wanted).length === 0;
  const merged = isNone
    ? manifestText
    : JSON.stringify(mergePatch(withTodaysNames(JSON.parse(manifestText)), wanted), undefined, 2);
  const text = `${merged.trimEnd()}\n`;
  return { text, manifest: parseManifest(text, 'the manifest') };
}

function readJson(text: string, subject: string, status: number): unknown {
  try {
    return parseStrictly(text);
  } catch (error) {
    throw settingsError((error as Error).message, subject, status);
  }
}

function settingsError(
  message: string,
  subject: string,
  status: number,
  hint = 'mend it; mounter help node-agent shows an example',
): MounterError {
  return new MounterError(message, { subject, status, hint });
}
