import { createHash } from 'node:crypto';
import type { Finding } from '../doctor/finding.ts';
import { verdictWords } from '../doctor/verdict.ts';
import { shortDigest } from '../image/digest.ts';
import { failureWords } from '../record/parse.ts';
import { nodeFacts, serviceFacts } from '../status/show.ts';
import type { CallsReport, ReportedCall, Span } from './calls.ts';
import { facts, folded, Html, html, table } from './html.ts';
import type { PartName, Report } from './report.ts';
import { style } from './style.ts';

/** The report as one page of HTML that needs nothing else: no script, no font, no picture of others. */
export function page(report: Report): string {
  const sections = [
    section('findings', 'What doctor finds', report, ['doctor'], findings),
    section('volumes', 'Volumes', report, ['status'], volumes),
    section('calls', 'Calls', report, ['calls'], calls),
    section('services', 'Lock and security services', report, ['status', 'doctor'], services),
    section('changes', 'What changed lately', report, ['changes'], changes),
    section('node', 'Node', report, ['status', 'system'], node),
    section('versions', 'Versions', report, ['versions'], versions),
    section('settings', 'Settings', report, ['settings'], settings),
  ];
  const name = report.system?.hostname ?? 'a node';
  return html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>mounter report of ${name}</title>
<style>${new Html(style)}</style></head>
<body><header><h1>mounter report of ${name}</h1>
<p class="faint">Written at ${report.writtenAt} by mounter ${report.mounter}. Secrets are masked; ${privacy(report)}
All times are UTC.</p>
${verdict(report)}
<nav aria-label="Parts">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav></header>
<main>
${sections.map(({ content }) => content)}</main></body></html>
`.markup;
}

/** The one style sheet is told by its digest: a style, or script, that comes in by any way is not heeded. */
const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;

function privacy({ isAnonymous }: Report): string {
  return isAnonymous
    ? 'each address, host name and name of others has a pseudonym, the same throughout this page.'
    : 'addresses and names are not: mounter report --anonymous gives them pseudonyms.';
}

function verdict(report: Report): Html {
  const seen = report.doctor ?? report.status?.verdict;
  if (seen === undefined) return html`<p class="verdict">Verdict: unknown, see below.</p>`;
  const types = Object.entries(seen.types).map(
    ([type, state]) => html` <span class="state ${toneOf(state)}">${type}: ${state}</span>`,
  );
  const troubles = troublesOf(report);
  const isWhole = troubles.length === 0 && Object.values(seen.types).every((state) => state === 'ready');
  const tone = seen.node === 'ready' && !isWhole ? 'partly' : seen.node;
  return html`<p class="verdict ${tone}"><strong>${sentence(verdictWords(seen))}.</strong>${types}${troubles.map((one) => html`<br>${one}`)}</p>`;
}

/** What ails those who have volumes, whatever a new mount would do: volumes that do not work, and calls that failed. */
function troublesOf({ status, calls: found }: Report): readonly string[] {
  const isBroken = (volume: { readonly state: string }) =>
    !['alive', 'not-asked', 'unknown'].includes(volume.state);
  const states = stateCounts(status?.volumes.filter(isBroken) ?? []);
  const failed = found?.failures.reduce((sum, { count }) => sum + count, 0) ?? 0;
  const [last] = found?.failures.toSorted((a, b) => b.last.localeCompare(a.last)) ?? [];
  return [
    ...(states === '' ? [] : [`Volumes that do not work: ${states}.`]),
    ...(last === undefined
      ? []
      : [`${failed} of ${found?.total} calls failed, the last at ${clock(last.last)}: ${last.class}.`]),
  ];
}

/** `1 dead, 2 silent`. */
function stateCounts(volumes: readonly { readonly state: string }[]): string {
  const counts = Object.entries(Object.groupBy(volumes, (volume) => volume.state));
  return counts.map(([word, found]) => `${found?.length} ${word}`).join(', ');
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A part of the page, and what it says where what it needs cannot be had. */
function section(
  id: string,
  title: string,
  report: Report,
  needs: readonly PartName[],
  content: (report: Report) => Html,
): { readonly id: string; readonly title: string; readonly content: Html } {
  const missing = needs.flatMap((name) => {
    const reason = report.missing[name];
    return reason === undefined ? [] : [html`<p class="missing">Not known (${name}): ${reason}</p>\n`];
  });
  return {
    id,
    title,
    content: html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>\n${missing}${content(report)}</section>\n`,
  };
}

function findings({ doctor }: Report): Html {
  if (doctor === null) return html``;
  const of = (level: Finding['level']) => doctor.findings.filter((finding) => finding.level === level);
  const [failing, warning, ok] = [of('failing'), of('warning'), of('ok')];
  const list = (shown: readonly Finding[]) => html`<ul class="findings">${shown.map(finding)}</ul>\n`;
  return html`<p>${failing.length} failing, ${warning.length} to be seen to, ${ok.length} ok${leftOut(doctor.leftOut)}.</p>
${failing.length + warning.length === 0 ? '' : list([...failing, ...warning])}
${ok.length === 0 ? '' : folded(`${ok.length} in order`, list(ok))}`;
}

function finding({ level, check, subject, message, hint }: Finding): Html {
  return html`<li><span class="state ${toneOf(level)}">${level}</span> <span class="faint">${check}</span>
<span class="path">${subject}</span>: ${message}${hint === null ? '' : html`<br>→ ${hint}`}</li>\n`;
}

function leftOut(count: number): string {
  return count === 0 ? '' : `; ${count} more are left out here`;
}

const tones: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['ready', 'ok', 'alive', 'current', 'success'].map((word) => [word, 'good'])),
  ...Object.fromEntries(
    ['failing', 'dead', 'stale', 'error', 'missing', 'failure'].map((word) => [word, 'bad']),
  ),
  ...Object.fromEntries(
    ['warning', 'silent', 'lacking', 'off', 'unknown', 'not-asked'].map((word) => [word, 'warn']),
  ),
};

function toneOf(word: string): string {
  return Object.hasOwn(tones, word) ? (tones[word] ?? '') : '';
}

function state(word: string): Html {
  return html`<span class="state ${toneOf(word)}">${word}</span>`;
}

/** `2026-01-31 12:00:00`; all are UTC. */
const clock = (time: string) => time.replace('T', ' ').replace(/\.\d+Z$/, '');
const path = (text: string | null | undefined) => (text ? html`<span class="path">${text}</span>` : '-');
const number = (text: string | number) => html`<span class="number">${text}</span>`;

function volumes({ status }: Report): Html {
  if (status === null) return html``;
  if (status.volumes.length === 0) return html`<p>None is mounted.</p>`;
  const rows = status.volumes.map((volume) => [
    state(volume.state),
    volume.fstype,
    path(volume.source),
    path(volume.target),
    number(volume.daemon ?? '-'),
  ]);
  return html`<p>${stateCounts(status.volumes)}${leftOut(status.volumesLeftOut)}.</p>
${table('Mounted volumes; those that do not work come first', ['State', 'Type', 'Source', 'Target', 'Daemon'], rows)}`;
}

function calls({ calls: found, since }: Report): Html {
  if (found === null) return html``;
  if (found.total === 0) return html`<p>None is on record${since === null ? '' : ` since ${since}`}.</p>`;
  return html`${activity(found)}${failures(found)}${durations(found)}<h3>Timeline</h3>
<p>The last come first. ${found.shown.length} of ${found.total} calls${since === null ? '' : ` since ${since}`}${leftOut(found.leftOut)}: the last ones, and before them those that failed last.${found.unreadBytes === 0 ? '' : ` The first ${(found.unreadBytes / 1e6).toFixed(0)} MB of the record were not read: mounter log --json has them.`}</p>
<div class="calls">${table('Calls', ['Time', 'Call', 'Result', 'Seconds', 'What'], found.shown.toReversed().map(callRow))}</div>`;
}

function callRow(call: ReportedCall): readonly (Html | string)[] {
  const { command, fstype, source, target, options, hint, helperOutput, errorClass } = call;
  const words = call.arguments?.join(' ');
  const about = [
    source === undefined ? null : html`${path(source)} on ${path(target)}`,
    options ? html` <span class="faint">with ${path(options)}</span>` : null,
    words ? path(words) : null,
  ];
  const why =
    errorClass === undefined
      ? null
      : html`<br><strong>${failureWords(call)}</strong>${hint ? html`<br>→ ${hint}` : ''}`;
  const said = helperOutput ? folded('what the helper said', html`<pre>${helperOutput}</pre>`, true) : null;
  return [
    number(clock(call.time)),
    number([command, fstype].filter(Boolean).join(' ')),
    html`<span class="state ${errorClass === undefined ? toneOf('ok') : toneOf('failure')}">${resultOf(call)}</span>`,
    number((call.totalMs / 1000).toFixed(3)),
    html`${about}${why === null ? ' ' : html`${why}<br>`}${said}${steps(call)}`,
  ];
}

function resultOf({ errorClass, status, wasMounted, isRemembered }: ReportedCall): string {
  if (errorClass !== undefined) return isRemembered ? `${errorClass} (remembered)` : errorClass;
  return status === 0 ? (wasMounted ? 'was mounted' : 'ok') : `status ${status}`;
}

/** In their order; the last one is where a mount failed. */
function steps({ steps: taken, errorClass }: ReportedCall): Html {
  const all = Object.entries(taken);
  if (all.length === 0) return html``;
  const rows = all.map(([name, ms], index) => {
    const isFailed = errorClass !== undefined && index === all.length - 1;
    return [
      name,
      html`${ms.toFixed(1)} ms${isFailed ? html` <span class="bad">failed</span>` : ''}`,
    ] as const;
  });
  return folded(`${all.length} steps`, facts('How long each took', rows));
}

function failures({ failures: classes }: CallsReport): Html {
  if (classes.length === 0) return html`<p>None of them failed.</p>`;
  const rows = classes.map((one) => [
    html`<span class="state bad">${one.class}</span>`,
    number(one.count),
    number(clock(one.first)),
    number(clock(one.last)),
    html`${one.subject === null ? '' : `${one.subject}: `}${one.message}${one.hint === null ? '' : html`<br>→ ${one.hint}`}`,
  ]);
  return html`<h3>Failures by class</h3>
${table('Calls that failed, the most frequent class first', ['Class', 'Calls', 'First', 'Last', 'The last one'], rows)}`;
}

function durations({ durations: all, ever }: CallsReport): Html {
  if (all.length === 0) return html``;
  const seconds = (ms: number) => number((ms / 1000).toFixed(3));
  const rows = all.map(({ fstype, result, count, p50, p90, p99, maximum }) => [
    fstype,
    state(result),
    number(count),
    ...[p50, p90, p99, maximum].map(seconds),
  ]);
  const headings = ['Type', 'Result', 'Mounts', 'Half', '90 %', '99 %', 'Longest'];
  const total = ever.reduce((sum, { count }) => sum + count, 0);
  const since = ever.map(({ fstype, class: of, count }) => `${fstype} ${of === 'none' ? 'ok' : of} ${count}`);
  return html`<h3>How long mounts took</h3>
${table('Seconds within which half, 90 % and 99 % of the mounts were over', headings, rows)}
<p class="faint">Since there is a record, ${total} in all: ${since.join(', ')}.</p>`;
}

/** In units of the picture, which is as wide as the page. */
const [barWidth, leastBars, chartHeight] = [20, 24, 90];

function activity({ activity: spans }: CallsReport): Html {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return html``;
  const most = Math.max(...spans.map(({ succeeded, failed }) => succeeded + failed));
  const height = (count: number) => (count === 0 ? 0 : Math.max(2, Math.round((count / most) * chartHeight)));
  const bars = spans.map(({ from, succeeded, failed }: Span, index) => {
    const [good, bad] = [height(succeeded), height(failed)];
    const part = (tone: string, y: number, of: number) =>
      html`<rect class="${tone}" x="${index * barWidth + 1}" y="${y}" width="${barWidth - 2}" height="${of}"/>`;
    return html`<g><title>from ${clock(from)}: ${succeeded} ok, ${failed} failed</title>${good === 0 ? '' : part('good', chartHeight - good, good)}${bad === 0 ? '' : part('bad', chartHeight - good - bad, bad)}</g>`;
  });
  const sum = (of: 'succeeded' | 'failed') => spans.reduce((total, span) => total + span[of], 0);
  const seconds =
    spans[1] === undefined ? 1 : Math.round((Date.parse(spans[1].from) - Date.parse(first.from)) / 1000);
  const label = `${sum('succeeded')} mounts succeeded, ${sum('failed')} failed; at most ${most} within ${seconds} s`;
  return html`<h3>Mounts over time</h3>
<svg class="chart" viewBox="0 0 ${Math.max(spans.length, leastBars) * barWidth} ${chartHeight}" preserveAspectRatio="none" role="img" aria-label="${label}">
${bars}</svg>
<p class="ends faint"><span>${clock(first.from)}</span><span>${spans.length === 1 ? '' : clock(last.from)}</span></p>
<p class="faint">${label}. <span class="good">Green: succeeded</span>, <span class="bad">red: failed</span>.</p>`;
}

/** What doctor has of the services, it has of each that there is. */
const serviceChecks: readonly string[] = ['locks', 'nfs-state', 'nfs-client', 'security', 'tls'];

function services({ status, doctor }: Report): Html {
  const found = doctor?.findings.filter(({ check }) => serviceChecks.includes(check)) ?? [];
  const rows = status === null ? [] : inWhole(serviceFacts(status));
  return html`${rows.length === 0 ? '' : facts('Services of this node', rows)}
${found.length === 0 ? '' : html`<ul class="findings">${found.map(finding)}</ul>`}`;
}

/** Of the rows of `mounter status`, those without a name belong to the one above. */
function inWhole(rows: readonly (readonly string[])[]): readonly (readonly [string, Html])[] {
  const whole: [string, Html][] = [];
  for (const [name = '', value = ''] of rows) {
    const last = whole.at(-1);
    if (name === '' && last !== undefined) last[1] = html`${last[1]}<br>${value}`;
    else whole.push([name, html`${value}`]);
  }
  return whole;
}

function changes({ changes: found }: Report): Html {
  if (found === null) return html``;
  const rows = found.map(({ time, what, result, arguments: words = [] }) => [
    number(clock(time)),
    html`${what} ${path(words.join(' ') || ' ')}`,
    result === null ? '' : state(result),
  ]);
  return table('The latest come first', ['Time', 'What', 'Result'], rows);
}

function node({ status, system }: Report): Html {
  const rows = status === null ? [] : inWhole(nodeFacts(status));
  const mounts = status?.mounts ?? [];
  const machine: readonly (readonly [string, Html | string | number])[] =
    system === null
      ? []
      : [
          ['host name', system.hostname],
          ['kernel', system.kernel],
          ['system', system.operatingSystem ?? 'unknown'],
          ['architecture', system.architecture],
          ['started', system.bootedAt],
          ['load', `${system.loadAverages.join(', ')} on ${system.processors} processors`],
          ['memory', `${mebibytes(system.memoryBytes.free)} free of ${mebibytes(system.memoryBytes.total)}`],
          ...system.kubelets.map(
            ({ pid, version, arguments: words }) =>
              [
                'kubelet',
                html`${version ?? 'version not known'}, process ${pid}<br>${path(words.join(' '))}`,
              ] as const,
          ),
          ...(system.kubelets.length === 0 ? [['kubelet', 'none is running'] as const] : []),
        ];
  const shown = mounts.map((mount) => [
    state(mount.state),
    path(mount.host),
    path(mount.rootfs),
    `${mount.type} ${mount.access} ${mount.propagation}`,
  ]);
  return html`${rows.length === 0 ? '' : facts('The mounter', rows)}${machine.length === 0 ? '' : facts('The machine', machine)}
${shown.length === 0 ? '' : folded(`${shown.length} mounts of the rootfs`, table('What the rootfs has of the host', ['State', 'Host', 'In the rootfs', 'Kind'], shown))}`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function versions({ versions: found }: Report): Html {
  if (found === null) return html``;
  if (found.length === 0) return html`<p>No rootfs is installed.</p>`;
  const rows = found.map((one) => [
    state(one.state),
    path(shortDigest(one.digest)),
    number(one.installedAt === null ? '-' : clock(one.installedAt)),
    number(one.bytes === null ? '-' : `${(one.bytes / 1e6).toFixed(1)} MB`),
    path(one.reference),
    html`${one.processes.map(({ pid, program }) => `${program} (process ${pid})`).join(', ') || '-'}; ${one.mounts} mounts`,
  ]);
  const packages = found.flatMap((one) => one.packages);
  return html`${table('Versions of the rootfs, the latest first', ['State', 'Digest', 'Installed', 'Size', 'From', 'In use by'], rows)}
${packages.length === 0 ? '' : folded(`${packages.length} Debian packages in the current one`, html`<p class="path">${packages.join(', ')}</p>`)}`;
}

function settings({ settings: found }: Report): Html {
  if (found === null) return html``;
  const rows = (wanted: boolean) =>
    found.settings
      .filter(({ isOwn }) => isOwn === wanted)
      .map(({ path: name, value }) => [html`${path(name)}`, path(value)]);
  const [own, others] = [rows(true), rows(false)];
  const shown = (caption: string, of: typeof own) => table(caption, ['Setting', 'Value'], of);
  return html`${own.length === 0 ? html`<p>The node has no settings of its own.</p>` : shown('Set by the node itself', own)}
${folded(`${others.length} settings of the manifest${leftOut(found.leftOut)}`, shown('By the manifest', others))}`;
}
