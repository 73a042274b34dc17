import { resolve } from 'node:path';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/replace.ts';
import { readManifestIfThere, requireRoot } from '../node/node.ts';
import { exposition } from '../record/exposition.ts';
import { mountMetrics } from '../record/mount-metrics.ts';
import { readRecord } from '../record/read.ts';
import { addCalls } from '../record/totals.ts';
import type { CommandContext } from './context.ts';
import { nodeMetrics } from './node-metrics.ts';
import { observeNode } from './node-status.ts';
import { recordPlace } from './record-place.ts';

/**
 * `mounter status --metrics [FILE]`: Prometheus' text format, to stdout or to FILE at once, for node-exporter's
 * textfile collector. @returns 0 also when a mount could not work: `mounter_prepared` says so.
 */
export async function metrics(file: string | undefined, context: CommandContext): Promise<number> {
  const { layout, host, output } = context;
  requireRoot(host, 'reading the record');
  const record = await readRecord(await recordPlace(host, layout));
  const manifest = await readManifestIfThere(host, layout);
  const node = await observeNode(host, layout, manifest);
  const totals = addCalls(record.totals, record.calls);
  const text = exposition([...nodeMetrics(node, host), ...mountMetrics(totals)]);
  if (file === undefined) output.out(text);
  else writeAtomically(resolve(file), text, 0o644);
  return exitCode.success;
}
