import { hostname } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { networkTypeOnWay } from '../doctor/context.ts';
import { examine } from '../doctor/examination.ts';
import { noRegularRecord } from '../doctor/failures.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Verdict } from '../doctor/verdict.ts';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { askedOnce, runBounded } from '../host/run-bounded.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { defaultPlace, type RecordPlace } from '../manifest/record-place.ts';
import { type BareNode, readManifest } from '../node/node.ts';
import { type NodeRecord, readRecord } from '../record/read.ts';
import { type NodeStatus, observeNode } from '../status/node.ts';
import { anonymized } from './anonymous.ts';
import { type CallsReport, callsReport } from './calls.ts';
import { type Change, changes } from './changes.ts';
import { withoutSecrets } from './masked.ts';
import { type SettingsReport, settingsReport } from './settings.ts';
import { namesAround, type SystemReport, systemReport } from './system.ts';
import { type VersionReport, versionsReport } from './versions.ts';

/** What `mounter report` writes: of each part null where it cannot be had, and then `missing` says why. */
export interface Report extends Readonly<Record<'writtenAt' | 'mounter', string>> {
  readonly isAnonymous: boolean;
  /** Calls before it are not shown; null: all of the record. */
  readonly since: string | null;
  readonly system: SystemReport | null;
  readonly doctor: (Verdict & { readonly findings: readonly Finding[]; readonly leftOut: number }) | null;
  readonly status: (NodeStatus & { readonly volumesLeftOut: number }) | null;
  readonly versions: readonly VersionReport[] | null;
  readonly calls: CallsReport | null;
  readonly changes: readonly Change[] | null;
  readonly settings: SettingsReport | null;
  readonly missing: Readonly<Partial<Record<PartName, string>>>;
}

export type PartName = 'system' | 'doctor' | 'status' | 'versions' | 'calls' | 'changes' | 'settings';

export interface ReportRequest {
  readonly isAnonymous: boolean;
  /** In ms since 1970. */
  readonly sinceMs: number | undefined;
}

/** Each part has a limit of its own that is shorter; this is for what nobody foresaw. */
const partMs = 9000;

/** Of each of the two files of the record. */
const recordBytes = 32_000_000;

const mostFindings = 150;
const mostVolumes = 300;

/**
 * Looks at everything at once, and changes nothing. @returns within 10 s, whatever hangs or is broken; bounded, without
 * secrets.
 */
export async function collectReport(
  { host, layout }: BareNode,
  { isAnonymous, sinceMs }: ReportRequest,
): Promise<Report> {
  const missing: Partial<Record<PartName, string>> = {};
  const part = async <T>(name: PartName, ask: () => T | Promise<T>): Promise<T | null> => {
    try {
      const answer = await withTimeout(Promise.resolve().then(ask), partMs);
      if (answer !== undefined) return answer;
      missing[name] = `no answer within ${partMs / 1000} s`;
    } catch (error) {
      missing[name] = reasonOf(error);
    }
    return null;
  };
  const ask = askedOnce(runBounded);
  const manifest = await readManifest(host, layout).catch(() => undefined);
  const record = readRecordIfLocal(manifest?.log ?? defaultPlace, { host, layout });
  const recorded = record.then(({ calls }) => calls).catch(() => []);
  const [system, doctor, status, versions, calls, changed, settings] = await Promise.all([
    part('system', () => systemReport(host, ask)),
    part('doctor', async () => boundedFindings(await examine(host, layout, ask, 'all'))),
    part('status', async () => boundedVolumes(await observeNode(host, layout, manifest, await recorded))),
    part('versions', () => versionsReport(layout, host)),
    part('calls', async () => callsReport(await record, sinceMs ?? Number.NEGATIVE_INFINITY)),
    part('changes', async () => changes({ host, layout }, await recorded)),
    part('settings', () => settingsReport(host, layout)),
  ]);
  const report = withoutSecrets<Report>({
    writtenAt: new Date().toISOString(),
    mounter: packageJson.version,
    isAnonymous,
    since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(),
    ...{ system, doctor, status, versions, calls, changes: changed, settings, missing },
  });
  return isAnonymous ? anonymized(report, [hostname(), ...namesAround(host)]) : report;
}

/** @throws what readRecord throws, and MounterError where there is none to read, or to read it may hang. */
async function readRecordIfLocal(place: RecordPlace, { host }: BareNode): Promise<NodeRecord> {
  const unread = (message: string, hint: string) =>
    new MounterError(message, { subject: place.file, status: exitCode.system, hint });
  if (place.to === 'none') throw unread('is not written: log.to of the settings is none', 'set it to file');
  const fstype = place.to === 'file' ? networkTypeOnWay(place.file, readMountinfo(host)) : undefined;
  if (fstype !== undefined)
    throw unread(`lies on ${fstype}, which may not answer, and is not read`, 'mounter log reads it');
  if (place.to === 'file' && (host.lstat(place.file)?.kind ?? 'file') !== 'file')
    throw unread(noRegularRecord.message, noRegularRecord.hint);
  return readRecord(place, recordBytes);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof MounterError)) return (error as Error).message ?? String(error);
  const { subject, message, hint } = error;
  return `${subject === undefined ? '' : `${subject}: `}${message}${hint === undefined ? '' : `; ${hint}`}`;
}

const byWeight = { failing: 0, warning: 1, ok: 2 } as const;

/** What fails first. */
function boundedFindings({ findings, ...verdict }: Verdict & { readonly findings: readonly Finding[] }) {
  const sorted = findings.toSorted((a, b) => byWeight[a.level] - byWeight[b.level]);
  const shown = sorted.slice(0, mostFindings);
  return { ...verdict, findings: shown, leftOut: sorted.length - shown.length };
}

/** Those that do not work first. */
function boundedVolumes({ volumes, ...status }: NodeStatus) {
  const sorted = volumes.toSorted((a, b) => Number(a.state === 'alive') - Number(b.state === 'alive'));
  const shown = sorted.slice(0, mostVolumes);
  return { ...status, volumes: shown, volumesLeftOut: sorted.length - shown.length };
}
