import { toJsonSchema } from '@valibot/to-json-schema';
import { manifestSchema } from '../src/manifest/manifest.ts';
import { meanings, settingName } from '../src/manifest/settings-list.ts';

/** JSON schemas for editors, of rootfs-manifest.json and of what a node lays over it; both of one definition. */

interface Schema {
  readonly description?: string;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
}

/** Of a manifest; an editor shows what each setting means. */
export function manifestJsonSchema(): Schema {
  return described('', toJsonSchema(manifestSchema, { errorMode: 'ignore' }) as Schema);
}

function described(path: string, schema: Schema): Schema {
  const { properties, additionalProperties, items, anyOf } = schema;
  const meaning = meanings[settingName(path)];
  const below = (name: string) => (path === '' ? name : `${path}.${name}`);
  return {
    ...(meaning !== undefined && { description: meaning }),
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [name, described(below(name), one)]),
      ),
    }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: described(below('TYPE'), additionalProperties),
    }),
    ...(items && { items: described(`${path}[]`, items) }),
    // Of one that may be null the meaning stands above both.
    ...(anyOf && { anyOf: anyOf.map((one) => ({ ...described(path, one), description: undefined })) }),
  } as Schema;
}

/** Of node-settings.json: a merge patch (RFC 7386) over a manifest, without what is the image's own. */
export function nodeSettingsJsonSchema(): Schema {
  const { rootfs: _, ...properties } = manifestJsonSchema().properties ?? {};
  return patchOf({ ...manifestJsonSchema(), properties });
}

/** Nothing has to be there, and null takes away what need not be: the default holds then. A list is replaced as a whole. */
function patchOf(schema: Schema): Schema {
  const { required = [], properties, additionalProperties, anyOf, ...rest } = schema;
  const patches = Object.entries(properties ?? {}).map(([name, one]): [string, Schema] => [
    name,
    required.includes(name) ? patchOf(one) : { anyOf: [patchOf(one), { type: 'null' } as Schema] },
  ]);
  return {
    ...rest,
    ...(properties && { properties: Object.fromEntries(patches) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === 'object' ? patchOf(additionalProperties) : additionalProperties,
    }),
    ...(anyOf && { anyOf: anyOf.map(patchOf) }),
  };
}
