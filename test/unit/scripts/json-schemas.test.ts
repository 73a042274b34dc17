import { globSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import { outputSchemas, outputs, schemaFile, schemaText } from '../../../scripts/json-schemas.ts';
import { repository } from '../../../scripts/paths.ts';
import { flagsOf } from '../../../src/commands/command.ts';
import { commands } from '../../../src/commands/table.ts';

const schemas = outputSchemas();

for (const [name, schema] of schemas)
  test(`docs/json has the schema of ${name} as the code has it; else: npm run schemas`, (t) => {
    t.is(readFileSync(schemaFile(name), 'utf8'), schemaText(schema));
    t.notThrows(() => new Ajv2020({ strictTypes: false }).compile(schema));
    t.deepEqual(schema.properties?.formatVersion, { const: 1 });
  });

test('docs/json has no other schemas', (t) => {
  t.deepEqual(
    globSync(`${repository}/docs/json/*`).sort(),
    Object.keys(outputs)
      .map((name) => schemaFile(name))
      .sort(),
  );
});

test('each command that has --json has a schema, and is in docs/json.md', (t) => {
  const page = readFileSync(`${repository}/docs/json.md`, 'utf8');
  const printing = commands.filter(({ flags }) => flagsOf(flags).some(({ name }) => name === 'json'));
  for (const { name } of printing)
    t.true(
      Object.values(outputs).some(({ of }) => of.startsWith(`mounter ${name} `)),
      name,
    );
  for (const [name, { of }] of Object.entries(outputs))
    t.true(page.includes(`| \`${of.split(',')[0]}\` | [${name}](json/${name}.schema.json) |`), name);
});
