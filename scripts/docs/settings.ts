import { settingName, settings } from '../../src/manifest/settings-list.ts';
import { manifestJsonSchema } from '../settings-schema.ts';
import { namesIn, quoted, type Table } from './markdown.ts';

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** What each setting takes, by its name. */
function whatEachTakes(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(manifestJsonSchema().properties ?? {}).flatMap(([name, one]) =>
      taken(name, one as Schema),
    ),
  );
}

function taken(path: string, schema: Schema): readonly (readonly [name: string, takes: string])[] {
  const { properties, additionalProperties, items, anyOf } = schema;
  const name = settingName(path);
  if (properties !== undefined && !name.endsWith('.KIND'))
    return Object.entries(properties).flatMap(([member, one]) => taken(`${path}.${member}`, one));
  if (typeof additionalProperties === 'object') return taken(`${path}.TYPE`, additionalProperties);
  // One that may be null is a setting itself.
  const object = anyOf?.find((one) => one.properties !== undefined);
  const below =
    object !== undefined
      ? taken(path, object)
      : items?.properties !== undefined
        ? taken(`${path}[]`, items)
        : [];
  return [[name, takenBy(schema)], ...below];
}

/** What may be written there, for people. */
function takenBy(schema: Schema): string {
  const { type, items, anyOf, minimum, maximum } = schema;
  if (schema.enum !== undefined) return schema.enum.map((one) => quoted(String(one))).join(', ');
  if (schema.const !== undefined) return quoted(String(schema.const));
  if (anyOf !== undefined) return anyOf.map(takenBy).join(', or ');
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'array') return items?.properties === undefined ? `list of ${takenBy(items ?? {})}s` : 'list';
  if (type === 'integer' || type === 'number') return rangeOf(minimum, maximum);
  return { string: 'text', object: 'section', null: '`null`' }[type ?? ''] ?? 'any';
}

function rangeOf(minimum: number | undefined, maximum: number | undefined): string {
  if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) return `${minimum ?? 0} to ${maximum}`;
  return minimum === undefined ? 'number' : `number from ${minimum}`;
}

/**
 * All of it is the code's, but for the order and a default that is no value.
 * @param written the rows of the page.
 */
export function settingsTable(written: Table): Table {
  const placeOf = (name: string) => written.findIndex(([cell = '']) => namesIn(cell).includes(name));
  // New ones are the last.
  const order = (name: string) => (placeOf(name) < 0 ? written.length : placeOf(name));
  const takes = whatEachTakes();
  const rows = settings()
    .toSorted((a, b) => order(a.name) - order(b.name))
    .map(({ name, default: value, meaning }) => [
      quoted(name),
      takes.get(name) ?? 'section',
      (shownDefault(value) ?? written[placeOf(name)]?.at(-2)) || 'none',
      meaning,
    ]);
  return [['setting', 'takes', 'default', 'means'], ...rows];
}

function shownDefault(value: unknown): string | undefined {
  if (['string', 'number', 'boolean'].includes(typeof value)) return quoted(String(value));
  const isShort = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
  return isShort ? quoted(JSON.stringify(value)) : undefined;
}
