import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { type JsonSchema, type OutputName, outputSchemas } from '../../../scripts/json-schemas.ts';

/** The schemas of what `--json` prints, as a test holds them: with nothing that they do not name. */

const ajv = new Ajv2020({ strict: false, allErrors: true });
let validators: ReadonlyMap<OutputName, ValidateFunction> | undefined;

/** What is wrong with `text` as the output of that name, a line each; it is JSON, and nothing but that. */
export function faultsIn(name: OutputName, text: string): readonly string[] {
  validators ??= new Map([...outputSchemas()].map(([one, schema]) => [one, ajv.compile(closed(schema))]));
  const validate = validators.get(name);
  if (validate === undefined) throw new Error(`there is no schema of ${name}`);
  validate(JSON.parse(text));
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** Programs are to take members that they do not know; we are to describe what we print. */
function closed(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items, anyOf } = schema;
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, closed(one)])),
    }),
    ...(schema.type === 'object' && {
      additionalProperties: additionalProperties === undefined ? false : closed(additionalProperties),
    }),
    ...(items && { items: closed(items) }),
    ...(anyOf && { anyOf: anyOf.map(closed) }),
  } as JsonSchema;
}
