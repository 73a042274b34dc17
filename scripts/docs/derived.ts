import { readdirSync, readFileSync } from 'node:fs';
import { repository } from '../paths.ts';
import { benchPictures } from './bench-figures.ts';
import { nodePicture } from './node-picture.ts';
import { withTables } from './tables.ts';
import { wayPicture } from './way-picture.ts';

/** README.md and the pages in docs/, as they lie there: text by file. */
export function readPages(): ReadonlyMap<string, string> {
  const files = ['README.md', ...readdirSync(`${repository}/docs`).map((name) => `docs/${name}`)];
  return new Map(
    files
      .filter((file) => file.endsWith('.md'))
      .map((file) => [file, readFileSync(`${repository}/${file}`, 'utf8')]),
  );
}

/** All that is made of the code's facts, as it should lie there: text by file. */
export async function derivedFiles(): Promise<ReadonlyMap<string, string>> {
  const pages = [...readPages()].map(([file, text]) => [file, withTables(text)] as const);
  return new Map([
    ...pages,
    ...Object.entries(benchPictures()),
    ['docs/pictures/node.svg', nodePicture()],
    ['docs/pictures/way-of-a-mount.svg', await wayPicture()],
  ]);
}
