import { runDirectory } from '../node/layout.ts';
import type { MetricFamily } from './exposition.ts';
import { histogram } from './mount-metrics.ts';
import { type Durations, durationBounds, noDurations, plusDuration } from './totals.ts';

/** What kubelet has asked the CSI driver for, as counters: from a file of the driver's, until the next boot. */

/** On the host; root's alone. */
export const csiTotalsFile = `${runDirectory}/csi-totals.json`;

export const csiOperationsTotal = 'mounter_csi_operations_total';

/** Each word is one of a few: the methods of a volume, gRPC's codes, the kinds of volumes. */
export interface CsiOperation {
  readonly method: string;
  readonly code: string;
  /** `unknown` where the call does not say it, and nothing is mounted there. */
  readonly type: string;
}

export interface CsiTotals {
  readonly operations: readonly (CsiOperation & { readonly count: number })[];
  readonly durations: readonly (Durations & { readonly method: string })[];
}

const nothing: CsiTotals = { operations: [], durations: [] };

export function plusOperation(totals: CsiTotals, operation: CsiOperation, ms: number): CsiTotals {
  const isIt = (one: CsiOperation) =>
    one.method === operation.method && one.code === operation.code && one.type === operation.type;
  const { count } = totals.operations.find(isIt) ?? { count: 0 };
  const { method } = operation;
  const before = totals.durations.find((one) => one.method === method) ?? { method, ...noDurations };
  return {
    operations: [...totals.operations.filter((one) => !isIt(one)), { ...operation, count: count + 1 }],
    durations: [
      ...totals.durations.filter((one) => one.method !== method),
      { method, ...plusDuration(before, ms) },
    ],
  };
}

export function csiTotalsText(totals: CsiTotals): string {
  return JSON.stringify({ bounds: durationBounds, ...totals });
}

/** @param text undefined: no such file. What another version has written counts for nothing. */
export function parseCsiTotals(text: string | undefined): CsiTotals {
  try {
    const { bounds, operations, durations } = JSON.parse(text ?? '');
    const isOurs = JSON.stringify(bounds) === JSON.stringify(durationBounds);
    return isOurs && Array.isArray(operations) && Array.isArray(durations)
      ? { operations, durations }
      : nothing;
  } catch {
    return nothing;
  }
}

export function csiMetrics({ operations, durations }: CsiTotals): readonly MetricFamily[] {
  return [
    {
      name: csiOperationsTotal,
      help: 'Calls of the CSI driver for a volume, by method, gRPC code and type of volume.',
      type: 'counter',
      samples: operations.map(({ count, ...labels }) => ({ labels, value: count })),
    },
    {
      name: 'mounter_csi_operation_duration_seconds',
      help: 'How long those calls took, by method.',
      type: 'histogram',
      samples: durations.flatMap(({ method, ...of }) => histogram({ method }, of)),
    },
  ];
}
