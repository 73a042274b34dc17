import { parseOptions } from '../arguments/options.ts';

/**
 * Options that mount(8) takes for itself, so that no helper has to know them, and what they stand for.
 * @see userspace_opts_map in libmount/src/optmap.c of util-linux 2.38, and mount(8) for what `user` and `owner` imply
 */
const ownOptions: Readonly<Record<string, string>> = {
  defaults: '',
  auto: '',
  noauto: '',
  _netdev: '',
  nofail: '',
  comment: '',
  user: 'noexec,nosuid,nodev',
  users: 'noexec,nosuid,nodev',
  owner: 'nosuid,nodev',
  group: 'nosuid,nodev',
  nouser: '',
  nousers: '',
  noowner: '',
  nogroup: '',
  // For umount(8), which finds them in /run/mount/utab: nobody writes them there.
  helper: '',
  uhelper: '',
};

/** Flags that say what is so without them, and what they take back: mount(8) hands neither on. @see linux_flags_map there */
const takesBack: Readonly<Record<string, string>> = {
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  async: 'sync',
  atime: 'noatime',
  diratime: 'nodiratime',
  loud: 'silent',
  nomand: 'mand',
  noiversion: 'iversion',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
  nolazytime: 'lazytime',
  symfollow: 'nosymfollow',
};

/**
 * What mount(8) would hand on to a helper; byte for byte the same where it would hand on all.
 * @param hasUserName whether the helper has an option `user=NAME` of its own.
 */
export function helperOptions(options: string, hasUserName: boolean): string {
  const all = parseOptions(options);
  let rest: string[] = [];
  for (const { name, value, text } of all) {
    const back = Object.hasOwn(takesBack, text) ? takesBack[text] : undefined;
    const flags = Object.hasOwn(ownOptions, name) ? ownOptions[name] : undefined;
    if (back !== undefined) rest = rest.filter((other) => other !== back);
    else if (isApplications(name)) continue;
    else if (flags === undefined || (name === 'user' && value !== undefined && hasUserName)) rest.push(text);
    else if (flags !== '' && value === undefined) rest.push(...flags.split(','));
  }
  const isSame = rest.length === all.length && rest.every((text, index) => text === all[index]?.text);
  return isSame ? options : rest.join(',');
}

/** `x-systemd.automount`, in every spelling that some reader could take for it. */
function isApplications(name: string): boolean {
  return /^["'\\\s]*x["'\\\s]*-/i.test(name);
}
