import { kernelTypes } from '../../manifest/filesystem-kinds.ts';
import type { FilesystemDriver } from './filesystem-driver.ts';
import { plain, plainTraits } from './plain.ts';

/** Whatever helper an image brings. How it compares values is not known: what may be the one that is named, is it. */
export const generic: FilesystemDriver = {
  ...plain,
  kind: 'generic',
  // Linux 6.7 maps the users of ceph.
  traits: { ...plainTraits, kernelTypes: kernelTypes.generic, canMapUsers: true, isExtra: true },
  options: {
    ...plain.options,
    isReaderKnown: false,
    matches: (name, value, wanted) => (plain.options.matches(name, value, wanted) === 'no' ? 'no' : 'surely'),
  },
};
