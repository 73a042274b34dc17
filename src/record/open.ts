import type { OpenRecord } from '../manifest/record-place.ts';
import { openJournal } from './journal.ts';
import { maskedWords } from './masked-words.ts';
import { openRecordFile } from './record-file.ts';

/** The way to the record on a real node. */
export const openRecord: OpenRecord = (place) => {
  switch (place.to) {
    case 'file':
      return openRecordFile(place, {
        openSoon: async (path) => (await import('./record-thread.ts')).openByThread(path),
        rotate: async () => (await import('./rotate.ts')).rotate(place),
      });
    case 'journal':
      return openJournal(hasSecret(process.argv));
    case 'none':
      return { append: async () => {} };
    default:
      return place.to satisfies never;
  }
};

function hasSecret(argv: readonly string[]): boolean {
  return maskedWords('', argv).some((word, index) => word !== argv[index]);
}
