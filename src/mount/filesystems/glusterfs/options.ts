import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { Asked, OptionGrammar } from '../filesystem-driver.ts';
import { plain } from '../plain.ts';

/** Of mount.glusterfs and glusterfs(8), glusterfs 3.7 … 11. */
const forbidden = [
  // Any option of any translator, those that name files and programs among them.
  'xlator-option',
  // Handed to mount(2) and fusermount unread; what is harmless in it has an option of its own.
  'fuse-mountopts',
  'dump-fuse',
  'pid-file',
  'socket-file',
  // A volume file of the asker's: which code is loaded, with which files.
  'volfile',
  'volfile-id',
  'logger',
  'print-exports',
  'print-netgroups',
  // The server is then the path of a socket.
  'transport=unix',
];

export const glusterfsOptions: OptionGrammar = {
  ...plain.options,
  forbidden: [...plain.options.forbidden, ...forbidden],
  // mount.glusterfs is a shell script, which splits its words at blanks.
  separator: /[,\s]+/,
};

/** @see glusterfs(8) */
export function logFileOf({ target, options }: Asked): string {
  const given = lastOption(parseOptions(options), 'log-file')?.value;
  return given?.startsWith('/') ? given : `/var/log/glusterfs/${target.slice(1).replaceAll('/', '-')}.log`;
}
