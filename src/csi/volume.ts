import { volumeKinds } from '../mount/filesystems/all.ts';
import { nearest } from '../nearest.ts';
import { invalid, unsupported } from './csi-error.ts';
import type { Request } from './protocol.ts';

/** What is to be mounted, as `mounter mount` takes it. */
export interface CsiVolume {
  readonly fstype: string;
  readonly source: string;
  readonly options: readonly string[];
}

type Capability = Request<'NodeStageVolume'>['volumeCapability'];

/** The attributes of a volume, by their names in lower case: csi-driver-nfs takes its own in any. */
const attributeNames = [
  'type',
  'server',
  'share',
  'volume',
  'subDir',
  'mountOptions',
  // Of csi-driver-nfs, and without effect here: they are for whoever makes and removes volumes.
  'mountPermissions',
  'onDelete',
] as const;
const byLowerCase = new Map(attributeNames.map((name) => [name.toLowerCase(), name] as const));

/** AccessMode.Mode of the specification: those that only read. */
const readerModes = [2, 3];
const lastMode = 7;

/**
 * A volume from its `volumeAttributes` and `mountOptions`, of which an inline volume has the attribute alone. Those of
 * csi-driver-nfs are understood.
 * @throws CsiError (INVALID_ARGUMENT) that names the field.
 */
export function volumeOf(context: Readonly<Record<string, string>>, capability: Capability): CsiVolume {
  const attributes = readAttributes(context);
  const mount = mountOf(capability);
  const kind = kindOf(attributes, mount.fsType);
  const server = attributes.server ?? '';
  if (server === '')
    throw invalid('volume_context[server]', 'is missing', 'name the server in volumeAttributes');
  const path = withSubDirectory(pathOf(attributes, kind), attributes);
  const { source, options: ofSource } = kind.asked(server, path);
  const options = [...ofSource, ...mount.mountFlags, attributes.mountOptions ?? ''].filter(
    (option) => option !== '',
  );
  refuseNoWord('volume_context', source);
  refuseNoWord(
    attributes.mountOptions === undefined ? 'mount_flags' : 'volume_context[mountOptions]',
    options.join(','),
  );
  return { fstype: kind.kind, source, options };
}

/** As execve(2) takes it: MAX_ARG_STRLEN of linux/binfmts.h, and no zero byte. */
const longestWord = 131_072;

function refuseNoWord(field: string, text: string): void {
  if (text.includes('\0')) throw invalid(field, 'has a zero byte in it', 'leave it out');
  if (Buffer.byteLength(text) >= longestWord)
    throw invalid(field, 'is longer than a program takes', 'name what is mounted, and how, in fewer words');
}

/** Whether a Pod is to see it read-only, whatever its mount options are. */
export function isReader(capability: Capability): boolean {
  return readerModes.includes(capability?.accessMode?.mode ?? 0);
}

/** @throws CsiError (INVALID_ARGUMENT) for what is no filesystem, and without an access mode. */
function mountOf(capability: Capability): NonNullable<NonNullable<Capability>['mount']> {
  if (capability === null) throw invalid('volume_capability', 'is missing', 'kubelet sends one: see the PV');
  if (capability.block !== null)
    throw unsupported('volume_capability', 'asks for a block device', 'set volumeMode: Filesystem in the PV');
  if (capability.mount === null)
    throw invalid('volume_capability', 'has no access type', 'set volumeMode: Filesystem in the PV');
  const mode = capability.accessMode?.mode ?? 0;
  if (mode === 0) throw invalid('volume_capability.access_mode', 'is missing', 'set accessModes in the PV');
  if (mode > lastMode)
    throw unsupported(
      'volume_capability.access_mode',
      `is ${mode}, which CSI 1.12 has not`,
      'set accessModes in the PV',
    );
  if (capability.mount.volumeMountGroup !== '')
    throw unsupported(
      'volume_capability.mount.volume_mount_group',
      'is for drivers that set the group themselves',
      'set fsGroupPolicy: File in the CSIDriver object',
    );
  return capability.mount;
}

type Attributes = Readonly<Partial<Record<(typeof attributeNames)[number], string>>>;

function readAttributes(context: Readonly<Record<string, string>>): Attributes {
  const attributes: Partial<Record<(typeof attributeNames)[number], string>> = {};
  for (const [name, value] of Object.entries(context)) {
    // What kubelet and provisioners add: csi.storage.k8s.io/pod.name and the like.
    if (name.includes('/')) continue;
    const known = byLowerCase.get(name.toLowerCase());
    if (known === undefined) throw unknownAttribute(name);
    if (attributes[known] !== undefined)
      throw invalid(`volume_context[${known}]`, 'is given twice, in two spellings', 'leave one of them out');
    attributes[known] = value;
  }
  return attributes;
}

function unknownAttribute(name: string): Error {
  const near = nearest(name, attributeNames);
  const known = `volumeAttributes are ${attributeNames.join(', ')}`;
  return invalid(
    `volume_context[${name}]`,
    'is unknown',
    near === undefined ? known : `did you mean ${near}? ${known}`,
  );
}

type Kind = (typeof volumeKinds)[number];

/** That of the type; without one, that of the attribute which only it has. */
function kindOf(attributes: Attributes, fsType: string): Kind {
  const { type } = attributes;
  const kind = volumeKinds.find((one) =>
    type === undefined ? attributes[one.attribute] !== undefined : one.kind === type,
  );
  const types = volumeKinds.map((one) => one.kind).join(' or ');
  if (kind === undefined && type === undefined)
    throw invalid(
      'volume_context[type]',
      'is missing',
      `set it to ${types}, or name what is mounted as share or volume`,
    );
  if (kind === undefined) throw invalid('volume_context[type]', `is ${type}`, `set it to ${types}`);
  // Of nfs4 as well. What a provisioner's default put there, such as ext4, says nothing.
  if (volumeKinds.some((other) => other !== kind && fsType.startsWith(other.kind)))
    throw invalid(
      'volume_capability.mount.fs_type',
      `is ${fsType}, and the volume's type ${kind.kind}`,
      'leave fsType out',
    );
  return kind;
}

function pathOf(attributes: Attributes, { attribute, isAbsolute }: Kind): string {
  const path = attributes[attribute] ?? '';
  const other = volumeKinds.find(
    (one) => one.attribute !== attribute && attributes[one.attribute] !== undefined,
  );
  if (other !== undefined)
    throw invalid(
      `volume_context[${other.attribute}]`,
      'does not go with this type',
      `name ${attribute}, and leave ${other.attribute} out`,
    );
  if (path === '')
    throw invalid(`volume_context[${attribute}]`, 'is missing', `name the ${attribute} in volumeAttributes`);
  if (isAbsolute && !path.startsWith('/'))
    throw invalid(`volume_context[${attribute}]`, `${path} is no absolute path`, 'begin it with a slash');
  return path;
}

function withSubDirectory(path: string, { subDir = '' }: Attributes): string {
  const parts = subDir.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..'))
    throw invalid('volume_context[subDir]', 'has a "." or ".." in it', 'give the path without them');
  return parts.length === 0 ? path : `${path.replace(/\/+$/, '')}/${parts.join('/')}`;
}
