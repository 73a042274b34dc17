import { printable } from '../../errors.ts';
import { maskSecrets } from '../../secrets.ts';
import { type Asker, parseAsker } from '../policy/asker.ts';
import type { MountArguments } from './argv.ts';
import { usageError } from './getopt.ts';

/** A mount that can be asked for: complete, and with nothing in it that a helper could take for something else. */
export interface MountRequest {
  readonly fstype: string;
  readonly source: string;
  /** Absolute, without empty, `.` or `..` parts and without a trailing slash. */
  readonly target: string;
  /** Byte for byte and in the order of the command line; '' when there are none. */
  readonly options: string;
  /** `-f`, `-n`, `-s`, `-v` as the helper gets them, in mount(8)'s order. */
  readonly helperFlags: readonly string[];
  /** Nothing is mounted: the plan is printed, or the helper was given `-f`. */
  readonly isFake: boolean;
  /** Left out where nobody has said. */
  readonly asker?: Asker;
}

const targetHint = 'name the directory to mount on, after the source';

/** @throws MounterError (usage) that names what is missing or refused, and why. */
export function toMountRequest(args: MountArguments): MountRequest {
  const fstype = required(args.fstype, 'no filesystem type', 'add -t nfs, -t nfs4 or -t glusterfs');
  // One word alone is the target; one that can be none is the source.
  if (args.source === undefined && args.target !== undefined && /^(?!\/)|^\/\//.test(args.target))
    throw usageError(printable(maskSecrets(args.target)), 'no target to mount it on', targetHint);
  const source = required(
    args.source,
    'no source',
    'name what to mount, such as SERVER:/EXPORT, before the target',
  );
  const target = required(args.target, 'no target', targetHint);
  refuseUnprintable('source', source);
  refuseUnprintable('target', target);
  refuseUnprintable('options', args.options);
  if (source.startsWith('-')) {
    throw usageError(
      source,
      'the source begins with "-", which a helper would take for an option',
      'name it SERVER:/EXPORT or SERVER:VOLUME',
    );
  }
  // Not shown: it may be `password=…`.
  if (/^[a-z][\w.-]*=/i.test(source))
    throw usageError(
      'source',
      'is written like an option, NAME=VALUE',
      'options go behind -o as one word, with no blank after a comma; name what to mount, such as SERVER:/EXPORT',
    );
  return {
    fstype,
    source,
    target: canonicalTarget(target),
    options: args.options,
    helperFlags: helperFlags(args),
    isFake: args.fake,
    ...(args.asker === undefined ? {} : { asker: parseAsker(args.asker) }),
  };
}

function required(value: string | undefined, message: string, hint: string): string {
  if (value === undefined || value === '')
    throw usageError(undefined, message, `${hint}; see mounter mount --help`);
  return value;
}

/** Control characters could end a line of a log, of mountinfo, of a helper's script; U+FFFD stands where argv was no UTF-8. */
function refuseUnprintable(what: string, value: string): void {
  if (/^[^\x00-\x1f\x7f\ufffd]*$/.test(value)) return;
  // The value of the options is not shown: it may hold a secret.
  const subject = what === 'options' ? what : printable(value);
  if (/[\x00-\x1f\x7f]/.test(value))
    throw usageError(subject, `the ${what} has a control character in it`, 'remove it');
  throw usageError(subject, `the ${what} is not valid UTF-8`, 'rename it');
}

function canonicalTarget(target: string): string {
  if (!target.startsWith('/'))
    throw usageError(
      maskSecrets(target),
      'the target is a relative path',
      'give the absolute path, after the source',
    );
  const parts = target.split('/').filter((part) => part !== '');
  if (parts.includes('.') || parts.includes('..')) {
    throw usageError(target, 'the target has a "." or ".." in it', 'give the path without them');
  }
  return `/${parts.join('/')}`;
}

/** @see mount(8) "EXTERNAL HELPERS": `/sbin/mount.suffix spec dir [-sfnv] [-N namespace] [-o options] [-t type.subtype]` */
function helperFlags(args: MountArguments): readonly string[] {
  const flags: string[] = [];
  if (args.sloppy) flags.push('-s');
  if (args.fake) flags.push('-f');
  if (args.noMtab) flags.push('-n');
  if (args.verbose) flags.push('-v');
  return flags;
}
