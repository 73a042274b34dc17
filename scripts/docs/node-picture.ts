import type { FilesystemKind } from '../../src/manifest/filesystem-kinds.ts';
import { shippedManifest } from '../../src/manifest/shipped.ts';
import { volumeKinds } from '../../src/mount/filesystems/all.ts';
import { defaultHome } from '../../src/node/layout.ts';
import { arrow, box, lines, type Place, svg, titled } from './svg.ts';

/** As people write them. */
const names: Readonly<Record<FilesystemKind, string>> = {
  nfs: 'NFS',
  glusterfs: 'GlusterFS',
  cifs: 'SMB',
  generic: 'another',
};

/** README's picture: who calls the mounter, what runs where on a node, and how the mount comes to the Pod. */
export function nodePicture(): string {
  const { filesystems, daemons, rootfs, enter } = shippedManifest();
  const helpers = Object.values(filesystems).map(({ helper }) => helper);
  const servers = volumeKinds
    .filter(({ kind }) => Object.values(filesystems).some((one) => one.kind === kind))
    .map(({ kind }) => `${names[kind]} server`);
  const services = Object.values(daemons).flatMap((one) =>
    one === undefined || typeof one === 'string' ? [] : [baseName(one.path)],
  );
  const tools = [
    `of Debian ${rootfs.suite}, apart`,
    'from the host:',
    ...new Set(helpers),
    ...services,
    '(when a mount needs them)',
  ];
  const rootfsHeight = 40 + tools.length * 17;
  // Below mounter and rootfs.
  const y = 62 + Math.max(118, rootfsHeight) + 24;
  return svg(880, y + 90, 'How a volume is mounted on a node', [
    ...['kubelet, by its flag', 'kubelet, by CSI', 'the host’s mount(8)'].map((name, index) =>
      caller(name, index),
    ),
    box({ x: 212, y: 24, width: 474, height: y + 48 }, 'outer'),
    lines(228, 44, ['the node'], { look: 'title' }),
    titled(
      { x: 236, y: 62, width: 184, height: 118 },
      'mounter',
      [
        ...['decides, limits, explains', 'one static executable', 'settings and policy'],
        defaultHome.replace(/^.*\//, '…/'),
      ],
      'box ours',
    ),
    titled({ x: 462, y: 62, width: 204, height: rootfsHeight }, 'rootfs: the tools', tools),
    titled({ x: 236, y, width: 430, height: 56 }, '/var/lib/kubelet/pods/…/volumes/…', [
      `the volume, as the Pod sees it: there at once, or not at all (${enter})`,
    ]),
    arrow('420,100 460,100'),
    lines(440, 92, ['runs'], { look: 'small', anchor: 'middle' }),
    arrow(`328,180 328,${y - 2}`),
    lines(338, 212, ['attaches the', 'finished mount'], { look: 'small' }),
    ...servers.map((name, index) => server(name, index)),
  ]);
}

function caller(name: string, index: number): string {
  const place: Place = { x: 20, y: 62 + index * 50, width: 150, height: 36 };
  const middle = place.y + 18;
  return [
    box(place, 'box'),
    lines(place.x + place.width / 2, middle + 5, [name], { anchor: 'middle' }),
    arrow(`${place.x + place.width},${middle} 234,${Math.min(middle, 170)}`),
  ].join('');
}

function server(name: string, index: number): string {
  const place: Place = { x: 716, y: 96 + index * 62, width: 144, height: 36 };
  const middle = place.y + 18;
  return [
    box(place, 'box'),
    lines(place.x + place.width / 2, middle + 5, [name], { anchor: 'middle' }),
    arrow(`666,${middle} 714,${middle}`),
  ].join('');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
