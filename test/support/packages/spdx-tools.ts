import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { ensureInstalled, fetchPackages, unpackInto } from '../../../scripts/debian.ts';
import { cacheDirectory } from '../../../scripts/paths.ts';

const directory = `${cacheDirectory}/spdx-tools`;

/** SPDX's own tools, and what of Python they import; none of it is compiled. Debian 12 and 13 have no such tool. */
const packages = [
  'spdx-tools',
  'beartype',
  'boolean',
  'click',
  'license-expression',
  'ply',
  'pyparsing',
  'rdflib',
];
const more = ['semantic-version', 'uritools', 'xmltodict', 'yaml'];

async function ensureSpdxTools(): Promise<void> {
  await ensureInstalled(['python3']);
  if (existsSync(directory)) return;
  const unfinished = `${directory}.${process.pid}`;
  try {
    const names = [...packages, ...more].map((name) => `python3-${name}`);
    const request = { names, directory: `${directory}-debs`, suite: 'forky', withoutDependencies: true };
    await unpackInto(await fetchPackages(request), unfinished);
    await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** @returns what SPDX's own tools have against a document of SPDX 2.3; '' if nothing. */
export async function faultsOfSpdx(file: string): Promise<string> {
  await ensureSpdxTools();
  const argv = [`${directory}/usr/bin/pyspdxtools`, '--version', 'SPDX-2.3', '--infile', file];
  const env = { PYTHONPATH: `${directory}/usr/lib/python3/dist-packages`, PYTHONDONTWRITEBYTECODE: '1' };
  const { exitCode, all } = await execa('python3', argv, { env, all: true, reject: false });
  return exitCode === 0 ? '' : `status ${exitCode}\n${all}`;
}
