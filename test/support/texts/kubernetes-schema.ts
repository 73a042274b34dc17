import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { CSIDriver } from 'kubernetes-models/storage.k8s.io/v1';
import {
  ConfigMap,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ServiceAccount,
} from 'kubernetes-models/v1';
import { cacheDirectory, repository } from '../../../scripts/paths.ts';

/**
 * Kubernetes' published OpenAPI schema, as kubernetes-models has it: compiled validators for what is required
 * and of which type, and TypeScript interfaces that know no other fields than the schema's.
 */
const kinds = {
  CSIDriver,
  ConfigMap,
  DaemonSet,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ServiceAccount,
} as const;

interface KubernetesObject {
  readonly kind: keyof typeof kinds;
}

/** What is wrong with these objects, field names that nobody knows among it; '' for nothing. */
export async function schemaErrors(objects: readonly unknown[]): Promise<string> {
  const [errors = ''] = await schemaErrorsOfAll([objects]);
  return errors;
}

/** The same for several sets of objects at once: the compiler takes as long for one. */
export async function schemaErrorsOfAll(sets: readonly (readonly unknown[])[]): Promise<readonly string[]> {
  const all = sets as readonly (readonly KubernetesObject[])[];
  const unknown = await unknownFields(all);
  return all.map((objects, i) => [...objects.flatMap(invalid), ...(unknown[i] ?? [])].join('\n'));
}

function invalid(object: KubernetesObject): readonly string[] {
  try {
    new kinds[object.kind](structuredClone(object) as never).validate();
    return [];
  } catch (error) {
    return [`${object.kind}: ${(error as Error).message}`];
  }
}

/** tsc(1) refuses what an interface does not have in an object that is written down. @returns its lines, by set. */
async function unknownFields(
  sets: readonly (readonly KubernetesObject[])[],
): Promise<readonly (readonly string[])[]> {
  const directory = mkdtempSync(join(cacheDirectory, 'kubernetes-schema-'));
  try {
    const files = sets.map((objects, i) => writeObjects(join(directory, `set${i}.ts`), objects));
    const how = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const tsc = `${repository}/node_modules/.bin/tsc`;
    const { stdout, failed } = await execa(tsc, [...how, '--target', 'es2023', '--types', 'node', ...files], {
      reject: false,
    });
    if (!failed) return [];
    const lines = stdout.split('\n');
    const found = sets.map((_, i) => lines.filter((line) => line.includes(`set${i}.ts(`)));
    if (found.flat().length === 0) throw new Error(stdout);
    return found;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function writeObjects(file: string, objects: readonly KubernetesObject[]): string {
  const lines = objects.map(
    (object, i) => `export const object${i}: I${object.kind} = ${JSON.stringify(object)};`,
  );
  writeFileSync(file, `${imports}\n${lines.join('\n')}\n`);
  return file;
}

const v1 = ['ConfigMap', 'Namespace', 'PersistentVolume', 'PersistentVolumeClaim', 'Pod', 'ServiceAccount'];
const imports = `import type { IDaemonSet } from 'kubernetes-models/apps/v1';
import type { ICSIDriver } from 'kubernetes-models/storage.k8s.io/v1';
import type { ${v1.map((kind) => `I${kind}`).join(', ')} } from 'kubernetes-models/v1';`;
