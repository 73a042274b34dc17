import { shippedText } from '../../src/manifest/shipped.ts';
import { manifestJsonSchema } from '../settings-schema.ts';
import { namesIn, quoted, type Table } from './markdown.ts';

/** The settings of a node, as the schema has them. */
export interface Setting {
  /** `mounts.*[].host`, `filesystems.TYPE.helper`. */
  readonly name: string;
  /** Of the schema; where it has none, of the manifest that we ship. */
  readonly default: unknown;
  readonly takes: string;
}

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

/** What is the image's own is for the build, and no setting of a node. */
const imageSections = ['$schema', 'formatVersion', 'rootfs'];

export function settings(): readonly Setting[] {
  const schema = manifestJsonSchema() as Schema;
  const shipped = JSON.parse(shippedText);
  const all = Object.entries(schema.properties ?? {})
    .filter(([name]) => !imageSections.includes(name))
    .flatMap(([name, one]) => settingsOf(name, one, shipped[name]));
  return [...new Map(all.map((setting) => [setting.name, setting])).values()];
}

function settingsOf(path: string, schema: Schema, shipped: unknown): readonly Setting[] {
  const { properties, additionalProperties, items, anyOf } = schema;
  const own = (name: string): unknown => (shipped as Readonly<Record<string, unknown>> | undefined)?.[name];
  if (properties !== undefined && !/^policy\.options\.[a-z]+$/.test(path))
    return Object.entries(properties).flatMap(([name, one]) => settingsOf(`${path}.${name}`, one, own(name)));
  if (typeof additionalProperties === 'object')
    return settingsOf(`${path}.TYPE`, additionalProperties, undefined);
  const setting = {
    name: path.replace(/^mounts\.\w+\[\]/, 'mounts.*[]'),
    default: schema.default ?? shipped,
    takes: takenBy(schema),
  };
  // One that may be null is a setting itself.
  const [object] = anyOf?.filter((one) => one.properties !== undefined) ?? [];
  if (object !== undefined) return [setting, ...settingsOf(path, object, undefined)];
  if (items?.properties === undefined) return [setting];
  return [setting, ...settingsOf(`${path}[]`, items, undefined)];
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
 * Names, what they take and defaults are the schema's; the order, what a setting means, and a default that is no
 * value, are the page's.
 * @param written the rows of the page.
 */
export function settingsTable(written: Table): Table {
  const placeOf = (name: string) => written.findIndex(([cell = '']) => namesIn(cell).includes(name));
  // New ones are the last.
  const order = (name: string) => (placeOf(name) < 0 ? written.length : placeOf(name));
  const sorted = settings().toSorted((a, b) => order(a.name) - order(b.name));
  const rows = sorted.map(({ name, default: value, takes }) => {
    const row = written[placeOf(name)] ?? [];
    return [quoted(name), takes, shownDefault(value) ?? row.at(-2) ?? '', row.at(-1) ?? ''];
  });
  return [['setting', 'takes', 'default', 'means'], ...rows];
}

function shownDefault(value: unknown): string | undefined {
  if (['string', 'number', 'boolean'].includes(typeof value)) return quoted(String(value));
  const isShort = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
  return isShort ? quoted(JSON.stringify(value)) : undefined;
}
