import { layoutOf } from '../node/layout.ts';
import { shellQuoted } from '../shell-word.ts';
import { yamlText } from './yaml.ts';

export interface CloudInitRequest {
  /** For each architecture of the machines one. */
  readonly executables: readonly Executable[];
  /** What `mounter install` takes, and the digest it has to be, `sha256:…`. */
  readonly source: string;
  readonly digest: string;
  readonly home: string;
  /** Give kubelet --experimental-mounter-path. */
  readonly kubeletFlag: boolean;
  /** Place mount(8)'s helpers. */
  readonly helpers: boolean;
  /** The text of node-settings.json. */
  readonly settings?: string | undefined;
}

export interface Executable {
  readonly architecture: 'amd64' | 'arm64';
  /** Where it is to be had, and its sha256 in 64 hexadecimal digits. */
  readonly url: string;
  readonly sha256: string;
}

const scriptPath = '/etc/containerized-mounter/boot.sh';
const unitName = 'containerized-mounter-boot.service';

/** A cloud-config: a script and a unit that runs it at each boot before kubelet, started at once the first time. */
export function cloudInitText(request: CloudInitRequest): string {
  const files = [
    { path: scriptPath, owner: 'root:root', permissions: '0755', content: bootScript(request) },
    { path: `/etc/systemd/system/${unitName}`, owner: 'root:root', permissions: '0644', content: unit },
    ...(request.settings === undefined ? [] : [nodeSettings(request.home, request.settings)]),
  ];
  const restart = [['systemctl', 'try-restart', 'kubelet.service']];
  const content = {
    write_files: files,
    runcmd: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', '--now', unitName],
      ...(request.kubeletFlag ? restart : []),
    ],
  };
  return `#cloud-config\n${yamlText([{ content, comments: commentsOf(request) }])}`;
}

function commentsOf({ kubeletFlag }: CloudInitRequest): Readonly<Record<string, string>> {
  return {
    write_files: 'NFS and GlusterFS mounts for this node. Everything fetched is pinned by its digest.',
    runcmd: `The first boot; at later ones systemd starts the unit before kubelet.${
      kubeletFlag
        ? ' kubelet, if it runs already, is\nstarted anew with the flag; one that a later command starts has it from the beginning.'
        : ''
    }`,
  };
}

const unit = `[Unit]
Description=NFS and GlusterFS mounts for kubelet (containerized mounter)
Wants=network-online.target
After=network-online.target local-fs.target
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${scriptPath}
TimeoutStartSec=10min
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target kubelet.service
`;

function nodeSettings(home: string, text: string) {
  const path = layoutOf(home).nodeSettings;
  return { path, owner: 'root:root', permissions: '0644', content: `${text.trimEnd()}\n` };
}

/**
 * A script for the sh of any node. What is there with the right digest is not fetched again, so that a boot without a
 * network works; killed at any moment, the next run goes on.
 */
function bootScript(request: CloudInitRequest): string {
  const { executables, source, digest, home, helpers, kubeletFlag } = request;
  return `#!/bin/sh
# Written by mounter manifest cloud-init. Any number of times, same result.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
home=${shellQuoted(home)}
machine=$(uname -m)
case $machine in
${executables.map(caseOf).join('')}*)
  echo "no executable for $machine is named: see mounter manifest cloud-init --help" >&2
  exit 1
  ;;
esac
source=${shellQuoted(source)}
digest=${digest}

is_right() { echo "$sha256  $1" | sha256sum -c - >/dev/null 2>&1; }
fetch() { # FILE
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 5 --retry-connrefused --output "$1" "$url"
  else
    wget --quiet --tries 5 --retry-connrefused --output-document "$1" "$url"
  fi
}

mkdir -p "$home"
# Whoever can open the file could hold the lock, and the boot with it.
umask 077
exec 9>/run/containerized-mounter-boot.lock
umask 022
flock 9
if ! is_right "$home/mounter-full"; then
  fetch "$home/mounter.download"
  is_right "$home/mounter.download" || { echo "$url: its sha256 is not $sha256" >&2; rm -f "$home/mounter.download"; exit 1; }
  chmod 0755 "$home/mounter.download"
  mv -f "$home/mounter.download" "$home/mounter-full"
fi
# Some node systems mount the filesystem of /home noexec; mounter prepare then finds this mount and keeps it.
"$home/mounter-full" version >/dev/null 2>&1 || { mount --bind "$home" "$home"; mount --make-private "$home"; mount -o remount,bind,exec "$home"; }
export MOUNTER_HOME="$home"
# What is in place, the mounter that kubelet calls too, which install takes from mounter-full. Of an image of several
# architectures the version has another digest.
in_place() { echo "$(readlink "$home/rootfs" || true) $digest $sha256"; }
if [ ! -x "$home/mounter" ] || [ "$(cat "$home/mounter.sha256" 2>/dev/null || true)" != "$(in_place)" ]; then
  "$home/mounter-full" install "$source" --digest "$digest" 9>&-
  in_place >"$home/mounter.sha256"
fi
"$home/mounter" prepare 9>&-
${kubeletFlag ? '"$home/mounter" unit kubelet-flag --install 9>&-\n' : ''}${helpers ? '"$home/mounter" install --helpers 9>&-\n' : ''}`;
}

/** As uname(1) -m has them. */
const machines = { amd64: 'x86_64', arm64: 'aarch64' } as const;

function caseOf({ architecture, url, sha256 }: Executable): string {
  return `${machines[architecture]})
  url=${shellQuoted(url)}
  sha256=${sha256}
  ;;
`;
}
