import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { programDirectories } from '../../../src/kubelet/program-directories.ts';

const made: string[] = [];
test.after.always(() => {
  for (const root of made) rmSync(root, { recursive: true, force: true });
});

/** @param tree path → `/` for a directory, `-> TARGET` for a symlink, else the content. */
function tree(paths: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'program-directories-'));
  made.push(root);
  for (const [path, content] of Object.entries(paths)) {
    mkdirSync(dirname(root + path), { recursive: true });
    if (content === '/') mkdirSync(root + path, { recursive: true });
    else if (content.startsWith('-> ')) symlinkSync(content.slice(3), root + path);
    else writeFileSync(root + path, content);
  }
  return root;
}

interface Nodes {
  readonly image: Readonly<Record<string, string>>;
  readonly host: Readonly<Record<string, string>>;
  readonly searchPath?: string;
  readonly hostPaths?: readonly string[];
}

/** Place → links, `IMAGE` and `HOST` standing for the one and the other. */
function lay({
  image,
  host,
  searchPath = '',
  hostPaths = [],
}: Nodes): Record<string, Record<string, string>> {
  const root = tree(image);
  const found = programDirectories({
    image: root,
    searchPath,
    hostView: 'HOST',
    hostPaths,
    host: tree(host),
  });
  return Object.fromEntries(
    found.map(({ path, links }) => [
      path,
      Object.fromEntries([...links].map(([name, to]) => [name, to.replace(root, 'IMAGE')])),
    ]),
  );
}

const merged = { '/bin': '-> usr/bin', '/lib64': '-> usr/lib64' } as const;

const layouts: readonly (readonly [
  title: string,
  nodes: Nodes,
  wanted: Record<string, Record<string, string>>,
])[] = [
  [
    "both have it: the image's; one has it: that one's",
    {
      image: { ...merged, '/usr/bin/mount': 'x', '/usr/bin/own': 'x' },
      host: { ...merged, '/usr/bin/mount': 'x', '/usr/bin/docker': 'x', '/usr/lib64': '/' },
    },
    {
      '/usr/bin': { mount: 'IMAGE/usr/bin/mount', own: 'IMAGE/usr/bin/own', docker: 'HOST/usr/bin/docker' },
    },
  ],
  [
    'an image that is not merged, on a host that is',
    {
      image: { '/bin/sh': '-> /bin/busybox', '/bin/busybox': 'x', '/usr/bin/env': 'x' },
      host: { ...merged, '/usr/bin/env': 'x' },
    },
    { '/usr/bin': { sh: 'IMAGE/bin/busybox', busybox: 'IMAGE/bin/busybox', env: 'IMAGE/usr/bin/env' } },
  ],
  [
    'an image that is merged, on a host that is not',
    { image: { ...merged, '/usr/bin/sh': 'x' }, host: { '/bin/host': 'x', '/usr/bin/env': 'x' } },
    {
      '/bin': { sh: 'IMAGE/usr/bin/sh', host: 'HOST/bin/host' },
      '/usr/bin': { sh: 'IMAGE/usr/bin/sh', env: 'HOST/usr/bin/env' },
    },
  ],
  [
    "links that lead through the image's own /etc",
    {
      image: {
        '/usr/sbin/iptables': '-> /etc/alternatives/iptables',
        '/etc/alternatives/iptables': '-> /usr/sbin/nft',
        '/usr/sbin/nft': 'x',
        '/usr/sbin/dangling': '-> /nowhere',
      },
      host: { '/usr/sbin': '/' },
    },
    {
      '/usr/sbin': { iptables: 'IMAGE/usr/sbin/nft', nft: 'IMAGE/usr/sbin/nft', dangling: '/nowhere' },
    },
  ],
  [
    "no library of the host's that the image's loader could take",
    {
      image: { '/usr/lib/glibc/libc.so.6': 'x' },
      host: {
        '/usr/lib/libhost.so.1.2': 'x',
        '/usr/lib/other/libc.so.6': 'x',
        '/usr/lib/systemd/libown.so': 'x',
        '/usr/lib/modules/6': 'x',
      },
    },
    {
      '/usr/lib': {
        glibc: 'IMAGE/usr/lib/glibc',
        systemd: 'HOST/usr/lib/systemd',
        modules: 'HOST/usr/lib/modules',
      },
    },
  ],
  [
    "what is the host's whatever the image has",
    {
      image: { '/usr/lib/os-release': 'x', '/usr/lib/modules/x': 'x' },
      host: { '/usr/lib/os-release': 'x', '/usr/lib/modules/6/y': 'x' },
      hostPaths: ['/usr/lib/os-release', '/usr/lib/modules/6'],
    },
    { '/usr/lib': { 'os-release': 'HOST/usr/lib/os-release', modules: 'HOST/usr/lib/modules' } },
  ],
  [
    'a directory that only the image has, below /usr',
    { image: { '/usr/local/bin/kubelet': 'x' }, host: { '/usr/local/share/x': 'x', '/usr/bin': '/' } },
    { '/usr/local': { bin: 'IMAGE/usr/local/bin', share: 'HOST/usr/local/share' } },
  ],
  [
    'directories of no programs, and empty ones, stay as they are',
    {
      image: { '/usr/share/x': 'x', '/usr/local/sbin': '/', '/opt/tool': 'x', '/etc/x': 'x' },
      host: { '/usr/share/y': 'x', '/usr/local/sbin': '/', '/opt': '/', '/etc': '/' },
    },
    {},
  ],
  [
    "those of the image's PATH that the host has too",
    {
      image: { '/opt/bin/tool': 'x', '/opt/none/tool': 'x' },
      host: { '/opt/bin/other': 'x' },
      searchPath: '/opt/bin:/opt/none:relative',
    },
    { '/opt/bin': { tool: 'IMAGE/opt/bin/tool', other: 'HOST/opt/bin/other' } },
  ],
];
for (const [title, nodes, wanted] of layouts) test(title, (t) => t.deepEqual(lay(nodes), wanted));

test('a top-level directory that this host lacks: it says which to make', (t) => {
  t.like(
    t.throws(() => lay({ image: { '/lib64/ld.so': 'x' }, host: { '/usr': '/' } })),
    {
      subject: '/lib64',
      hint: "mkdir /lib64, an empty directory on which the image's is laid for the kubelet alone",
    },
  );
});
