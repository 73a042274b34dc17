import { commands } from '../../src/commands/table.ts';
import { errorClasses } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { csiMetrics, parseCsiTotals } from '../../src/record/csi-metrics.ts';
import { mountMetrics } from '../../src/record/mount-metrics.ts';
import { noTotals } from '../../src/record/totals.ts';
import { nodeGauges } from '../../src/status/metrics.ts';
import { suites } from '../suites.ts';
import { benchTable } from './bench-figures.ts';
import { commandTable } from './command-table.ts';
import { namesIn, quoted, rowsOf, type Table, tableText } from './markdown.ts';
import { settingsTable } from './settings.ts';

/**
 * The tables of the pages that the code has the facts of. A page has one behind the line `<!-- npm run docs: NAME -->`;
 * what only people can say stays as it is written there.
 */
const tables: Readonly<Record<string, (written: Table) => Table>> = {
  commands: () => commandTable(commands),
  settings: settingsTable,
  'exit statuses': (written) => [
    ['status', 'meaning'],
    ...keyed(Object.values(exitCode).map(String), written),
  ],
  'classes of failure': (written) => [
    ['class', 'what it is', 'what to do'],
    ...keyed(errorClasses.map(quoted), written, 2),
  ],
  metrics: metricsTable,
  bench: benchTable,
  suites: (written) => [
    ['suite', 'where', 'what it holds', 'usual time'],
    ...suites.map(({ name, minutes, place, init, isForRelease }) => {
      const where =
        place === 'vm' ? `the test VM${init === undefined ? '' : `, with ${init}`}` : 'this machine';
      const row = written.find(([cell]) => cell === quoted(name)) ?? [];
      return [
        quoted(name),
        isForRelease ? `${where}, when named` : where,
        row.at(-2) ?? '',
        `${minutes} min`,
      ];
    }),
  ],
};

/** @param cells how many of each row are the page's. */
function keyed(keys: readonly string[], written: Table, cells = 1): Table {
  return keys.map((key) => {
    const [, ...texts] = written.find(([cell]) => cell === key) ?? [];
    return [key, ...Array.from({ length: cells }, (_, index) => texts[index] ?? '')];
  });
}

/** The labels are the page's. */
function metricsTable(written: Table): Table {
  const ofNode = Object.values(nodeGauges).map(([name, help]) => ({ name, type: 'gauge', help }));
  const all = [...ofNode, ...mountMetrics(noTotals), ...csiMetrics(parseCsiTotals(undefined))];
  const labelled = written.flatMap(([cell = '']) => namesIn(cell));
  return [
    ['metric', 'type', 'is'],
    ...all.map(({ name, type, help }) => [
      quoted(labelled.find((one) => one.replace(/\{.*/, '') === name) ?? name),
      type,
      help,
    ]),
  ];
}

const place = /(<!-- npm run docs: (.+) -->\n\n)((?:\|.*\n)*)/g;

/** The page with its tables as the code has them. @throws Error for a table that nobody makes. */
export function withTables(page: string): string {
  return page.replace(place, (_, line: string, name: string, written: string) => {
    const make = tables[name];
    if (make === undefined) throw new Error(`no such table: ${name}`);
    return `${line}${tableText(make(rowsOf(written)))}`;
  });
}

/** The names of the tables that a page has. */
export function tablesOf(page: string): readonly string[] {
  return [...page.matchAll(place)].map(([, , name = '']) => name);
}

export const tableNames = Object.keys(tables);
