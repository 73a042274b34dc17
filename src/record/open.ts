import { openJournal } from '../host/journal.ts';
import { openRecordFile } from '../host/record-file.ts';
import type { OpenRecord } from './destination.ts';

/** The way to the record on a real node. */
export const openRecord: OpenRecord = (place) => {
  switch (place.to) {
    case 'file':
      return openRecordFile(place, async () => (await import('./rotate.ts')).rotate(place));
    case 'journal':
      return openJournal();
    case 'none':
      return { append: async () => {} };
    default:
      return place.to satisfies never;
  }
};
