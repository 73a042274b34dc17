import { execa } from 'execa';
import { ensureInstalled, unpackedPackage } from '../../../scripts/debian.ts';

/** What of Python SPDX's own tools import; none of it is compiled. */
const imports = [
  'beartype',
  'boolean',
  'click',
  'license-expression',
  'ply',
  'pyparsing',
  'rdflib',
  'semantic-version',
  'uritools',
  'xmltodict',
  'yaml',
].map((name) => `python3-${name}`);

/** SPDX's own tools, which Debian 12 and 13 do not have. @returns their directory. */
async function ensureSpdxTools(): Promise<string> {
  await ensureInstalled(['python3']);
  return await unpackedPackage('python3-spdx-tools', 'forky', imports);
}

/** @returns what SPDX's own tools have against a document of SPDX 2.3; '' if nothing. */
export async function faultsOfSpdx(file: string): Promise<string> {
  const directory = await ensureSpdxTools();
  const argv = [`${directory}/usr/bin/pyspdxtools`, '--version', 'SPDX-2.3', '--infile', file];
  const env = { PYTHONPATH: `${directory}/usr/lib/python3/dist-packages`, PYTHONDONTWRITEBYTECODE: '1' };
  const { exitCode, all } = await execa('python3', argv, { env, all: true, reject: false });
  return exitCode === 0 ? '' : `status ${exitCode}\n${all}`;
}
