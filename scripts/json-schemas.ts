import { mkdirSync, writeFileSync } from 'node:fs';
import { API, type Checker, SymbolFlags, type Type, TypeFlags } from 'typescript/unstable/sync';
import { exitCode } from '../src/exit-codes.ts';
import { formatVersion } from '../src/json.ts';
import { runMain } from './command-line.ts';
import { repository } from './paths.ts';

/**
 * `npm run schemas`: writes the JSON schemas of what `--json` prints to docs/json. They are made of the types in src by
 * which it is printed, and of the comments there.
 */

/** Name of the schema → where its type is, and which command prints it. */
export const outputs = {
  status: { file: 'src/commands/status.ts', type: 'StatusJson', of: 'mounter status --json' },
  'status-volumes': {
    file: 'src/commands/status.ts',
    type: 'VolumesJson',
    of: 'mounter status --volumes --json',
  },
  report: { file: 'src/report/report.ts', type: 'Report', of: 'mounter report --json' },
  doctor: { file: 'src/commands/doctor.ts', type: 'DoctorJson', of: 'mounter doctor --json' },
  log: { file: 'src/commands/log.ts', type: 'LogJson', of: 'mounter log --json' },
  versions: { file: 'src/commands/versions.ts', type: 'VersionsJson', of: 'mounter versions --json' },
  'mount-plan': { file: 'src/mount/show.ts', type: 'MountPlanJson', of: 'mounter mount --dry-run --json' },
  'mount-failure': { file: 'src/errors.ts', type: 'FailureJson', of: 'mounter mount --json, of a failure' },
  'kubelet-start': {
    file: 'src/kubelet/show.ts',
    type: 'KubeletStartJson',
    of: 'mounter kubelet --dry-run --json',
  },
} as const;

export type OutputName = keyof typeof outputs;

/** What we make of JSON schema (draft 2020-12). */
export interface JsonSchema {
  readonly $schema?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema;
}

/** Where the schema of that name is kept. */
export function schemaFile(name: string): string {
  return `${repository}/docs/json/${name}.schema.json`;
}

export function schemaText(schema: JsonSchema): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/** All of them, by name; as long as a type check takes. @throws Error for a type that JSON cannot have. */
export function outputSchemas(): ReadonlyMap<OutputName, JsonSchema> {
  const api = new API({ cwd: repository });
  try {
    const [project] = api.updateSnapshot({ openProjects: [`${repository}/tsconfig.json`] }).getProjects();
    if (project === undefined) throw new Error('tsconfig.json is no project');
    const { checker, program } = project;
    return new Map(
      (Object.keys(outputs) as OutputName[]).map((name) => {
        const { file, type, of } = outputs[name];
        const source = program.getSourceFile(`${repository}/${file}`);
        const module = source && checker.getSymbolAtLocation(source);
        const exported = module && checker.getExportsOfModule(module).find((one) => one.name === type);
        if (exported === undefined) throw new Error(`${file} exports no type ${type}`);
        return [name, rootSchema(of, schemaOf(checker.getDeclaredTypeOfSymbol(exported), checker))];
      }),
    );
  } finally {
    api.close();
  }
}

/** jsonOutput puts the version before all else. */
function rootSchema(of: string, { properties, required = [], ...rest }: JsonSchema): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: of,
    ...rest,
    properties: { formatVersion: { const: formatVersion }, ...properties },
    required: [...new Set(['formatVersion', ...required])],
  };
}

function schemaOf(type: Type, checker: Checker): JsonSchema {
  if (type.isUnionType()) return schemaOfUnion(type.getTypes(), checker);
  if (type.flags & TypeFlags.Null) return { type: 'null' };
  if (type.isLiteralType()) return { const: type.value };
  if (type.flags & TypeFlags.StringLike) return { type: 'string' };
  if (type.flags & TypeFlags.NumberLike) return { type: 'number' };
  if (type.isTypeReference() && checker.isArrayType(type))
    return { type: 'array', items: schemaOf(only(checker.getTypeArguments(type)), checker) };
  if (type.flags & (TypeFlags.Object | TypeFlags.Intersection)) return schemaOfObject(type, checker);
  throw new Error(`there is no schema for the type ${checker.typeToString(type)}`);
}

/** JSON has no undefined: such a member is left out. */
function schemaOfUnion(types: readonly Type[], checker: Checker): JsonSchema {
  const schemas = types
    .filter(({ flags }) => !(flags & TypeFlags.Undefined))
    .map((type) => schemaOf(type, checker));
  const constants = schemas.flatMap((schema) => ('const' in schema ? [schema.const] : []));
  const others = schemas.filter((schema) => !('const' in schema));
  const isBoolean = constants.includes(true) && constants.includes(false);
  const words = constants.filter((value) => !isBoolean || typeof value !== 'boolean');
  const all = [
    ...(isBoolean ? [{ type: 'boolean' }] : []),
    ...(words.length === 1 ? [{ const: words[0] }] : words.length > 1 ? [{ enum: words.sort() }] : []),
    // The compiler has them in no order of its own.
    ...others.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  ];
  return all.length === 1 ? only(all) : { anyOf: all };
}

/** Whoever reads it is to expect members that are not here: a later version may have more. */
function schemaOfObject(type: Type, checker: Checker): JsonSchema {
  const members = checker.getPropertiesOfType(type).map((member) => {
    const own = checker.getTypeOfSymbol(member);
    if (own === undefined) throw new Error(`${member.name} has no type`);
    const description = checker.getDocumentationCommentOfSymbol(member).replace(/\s+/g, ' ').trim();
    const mayBeUndefined =
      own.isUnionType() && own.getTypes().some(({ flags }) => flags & TypeFlags.Undefined);
    const isOptional = mayBeUndefined || (member.flags & SymbolFlags.Optional) !== 0;
    const schema = { ...(description === '' ? {} : { description }), ...schemaOf(own, checker) };
    return { name: member.name, isOptional, schema };
  });
  const [index] = checker.getIndexInfosOfType(type);
  const required = members.filter(({ isOptional }) => !isOptional).map(({ name }) => name);
  return {
    type: 'object',
    ...(members.length > 0 && {
      properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
    }),
    ...(required.length > 0 && { required }),
    ...(index && { additionalProperties: schemaOf(index.valueType, checker) }),
  };
}

function only<T>([item]: readonly T[]): T {
  if (item === undefined) throw new Error('there is none');
  return item;
}

async function main(): Promise<number> {
  mkdirSync(`${repository}/docs/json`, { recursive: true });
  for (const [name, schema] of outputSchemas()) writeFileSync(schemaFile(name), schemaText(schema));
  return exitCode.success;
}

if (process.argv[1] === import.meta.filename)
  await runMain({
    name: 'schemas',
    flags: {},
    manual: [
      'Writes the JSON schemas of what --json prints to docs/json, of the types by which it is printed.',
    ],
    run: main,
  });
