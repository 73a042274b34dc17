import { gzipSync } from 'node:zlib';
import { shippedManifest } from '../../src/manifest/shipped.ts';
import { defaultHome, layoutOf, usualMetricsFile } from '../../src/node/layout.ts';
import { settingsFile } from '../../src/node/settings.ts';
import { helperDirectories } from '../../src/prepare/helper-links.ts';
import { type Unit, unitsOf } from '../../src/units/units.ts';
import type { Architecture } from '../architectures.ts';
import { usageError } from '../command-line.ts';
import { type Entry, type FileEntry, textFile } from '../rootfs/entry.ts';
import { type Changes, debianChangelog } from './changelog.ts';
import { documents, packageName, type ReleasedFile } from './contents.ts';
import type { DebianPackage } from './deb.ts';

/**
 * The Debian package: the executable, the rootfs that it installs, units, documents. Nothing is installed on the node or
 * started by it: which version a node mounts with is decided by `mounter install`, and removing the package, or taking
 * another version of it, leaves what is mounted alone.
 */

/** Until whoever releases it names somebody whom mail reaches: the domain is reserved for none. */
const nobody = 'containerized-mounter <maintainers@containerized-mounter.invalid>';

/** @returns as Debian's policy has it. @throws MounterError (usage) that names the flag. */
export function maintainerOf(given: string | undefined): string {
  if (given === undefined || /^[^<>@,"\n]+ <[^<>@\s]+@[^<>@\s]+>$/.test(given)) return given ?? nobody;
  throw usageError('--maintainer', 'is not in the form "NAME <ADDRESS>"');
}

/** @param files those with a place in the package. @param maintainer `NAME <ADDRESS>` */
export function debianPackage(
  architecture: Architecture,
  files: readonly ReleasedFile[],
  changes: Changes,
  maintainer = nobody,
): DebianPackage {
  const { version, epoch } = changes;
  const units = packagedUnits();
  return {
    fields: {
      Package: packageName,
      Version: version,
      Architecture: architecture,
      Maintainer: maintainer,
      Section: 'admin',
      Priority: 'optional',
      Depends: 'libc6 (>= 2.17), mount',
      Description: description,
    },
    scripts: scripts(units),
    epoch,
    entries: [
      ...files.flatMap(packagedEntry),
      ...units.map(({ fileName, text }) => textFile(`usr/lib/systemd/system/${fileName}`, text)),
      textFile(`usr/lib/systemd/system-preset/80-${packageName}.preset`, `disable ${packageName}-*\n`),
      textFile(`usr/share/lintian/overrides/${packageName}`, lintianOverrides),
      textFile(`${documents}/README.Debian`, readme),
      textFile(`${documents}/copyright`, copyright),
      compressed(`${documents}/changelog.gz`, Buffer.from(debianChangelog(packageName, maintainer, changes))),
    ],
  };
}

function packagedEntry({ packaged, content, mode }: ReleasedFile): readonly Entry[] {
  if (packaged === undefined) return [];
  const { path, isCompressed } = packaged;
  return [
    isCompressed ? compressed(`${path}.gz`, content) : { kind: 'file', path, mode, uid: 0, gid: 0, content },
  ];
}

/** Node's gzip leaves name and time out of the header. */
function compressed(path: string, content: Buffer): FileEntry {
  return { kind: 'file', path, mode: 0o644, uid: 0, gid: 0, content: gzipSync(content, { level: 9 }) };
}

/**
 * Those that make sense on a node as it is: what prepares it, writes metrics, serves CSI. Lock services are units only
 * where `mounter unit` has written them, and what is the kubelet's depends on the kubelet.
 */
function packagedUnits(): readonly Unit[] {
  const context = {
    layout: layoutOf(defaultHome),
    manifest: shippedManifest(),
    metricsFile: usualMetricsFile,
    driverNames: undefined,
    kubeletArguments: [],
  };
  return (['prepare', 'metrics', 'csi'] as const).flatMap((name) => unitsOf(name, context));
}

/** The first line is a title. */
const description = `NFS and GlusterFS mounts for nodes without storage tools
 One executable that kubelet calls in place of mount(8), that the host's own
 mount(8) finds as its helper, or that serves volumes by CSI. It runs the real
 helpers from a rootfs of its own, apart from the host.
 .
 The rootfs is in this package, and is installed on the node by
 "mounter install". Nothing is started by installing this package.`;

/** What somebody has put there by hand dpkg would replace without a word. */
const program = '/usr/sbin/mounter';
const keptProgram = `${program}.dpkg-old`;

/**
 * A shell command that says where mounters are installed, a line each: in the usual place; and as units, helper links,
 * mounts, and the settings that mounts go by have it.
 */
const eachHome = `{
		echo ${defaultHome}
		sed -n 's,^ConditionFileIsExecutable=\\(/.*\\)/mounter$,\\1,p' /etc/systemd/system/${packageName}-*
		for link in ${helperDirectories.map((directory) => `${directory}/mount.*`).join(' ')}; do
			readlink "$link" | sed -n 's,^\\(/.*\\)/mounter$,\\1,p'
		done
		sed -n 's,^[^ ]* [^ ]* [^ ]* [^ ]* \\(/[^ ]*\\)/versions/[0-9a-f]*/.*,\\1,p' /proc/self/mountinfo
		sed -n '1s,^[0-9]* \\(/[^ ]*\\)/rootfs-manifest\\.json .*,\\1,p' ${settingsFile}
	} 2>/dev/null | sort -u`;

/**
 * Of dpkg's. An upgrade reloads units, and nothing else: what runs is the node's own copy. Where `mounter unit` has
 * written one of that name, that is the node's, with its links (which deb-systemd-helper would take away), and stays.
 * @see https://www.debian.org/doc/debian-policy/ch-maintainerscripts.html
 */
function scripts(units: readonly Unit[]): Readonly<Record<string, string>> {
  const ended = units.filter(({ isStopped }) => isStopped);
  const enabled = units.filter(({ isEnabled }) => isEnabled);
  return {
    preinst: script(`if [ "$1" = install ] && { [ -e ${program} ] || [ -L ${program} ]; } &&
	! dpkg-query --search ${program} >/dev/null 2>&1; then
	cp -a --link --remove-destination ${program} ${keptProgram}
	echo "${program}, which is of no package, is ${keptProgram} until this one is removed"
fi`),
    postinst: script(reloadUnits),
    prerm: script(`if [ "$1" = remove ]; then
	if [ -d /run/systemd/system ]; then
		${ofEach(ended, 'deb-systemd-invoke stop "$unit" >/dev/null 2>&1 || systemctl stop "$unit" || true')}
	fi
	unset MOUNTER_HOME MOUNTER_MANIFEST
	${eachHome} | while read -r home; do
		[ -x "$home/mounter" ] || continue
		echo "$home stays, with what it has mounted:"
		timeout 20 "$home/mounter" status --volumes </dev/null || true
		[ -e /etc/systemd/system/${packageName}-prepare.service ] ||
			echo "At its next boot nothing prepares this node, unless by $home/mounter unit --install"
		echo "To end that too, when all is unmounted: $home/mounter teardown && rm -r $home"
	done
fi`),
    postrm: script(`case "$1" in remove | abort-install)
	if [ -e ${keptProgram} ] || [ -L ${keptProgram} ]; then
		mv -f ${keptProgram} ${program}
		echo "${program} is again what it was before this package"
	fi ;;
esac
if [ "$1" = purge ]; then
	${ofEach(enabled, 'rm -f /etc/systemd/system/*.wants/"$unit"')}
	rmdir /etc/systemd/system/*.wants 2>/dev/null || true
fi
${reloadUnits}`),
  };
}

function script(text: string): string {
  return `#!/bin/sh\nset -e\n${text}\n`;
}

function ofEach(units: readonly Unit[], command: string): string {
  const names = units.map(({ fileName }) => fileName).join(' ');
  return `for unit in ${names}; do [ -e "/etc/systemd/system/$unit" ] || ${command}; done`;
}

const reloadUnits = `if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi`;

const readme = `containerized-mounter for Debian
================================

Nothing runs, and nothing is mounted, because this package is installed. To have
this node mount by it, as root:

  mounter install /usr/lib/${packageName}/rootfs.tar.zst
  systemctl enable --now ${packageName}-prepare.service
  mounter doctor

The first line copies the rootfs and the executable to ${defaultHome},
where the kubelet finds them, and where a newer version of this package changes
nothing: run it again then, and restart what is enabled of the two other units
that are here: ${packageName}-metrics.timer, ${packageName}-csi.service.
"mounter unit" prints more, and "mounter install --helpers" has the host's
mount(8) find the helpers.

Removing the package stops those two, and leaves ${defaultHome}
as it is, with all that is mounted. To end that too, first: "mounter teardown",
which refuses while volumes are mounted.
`;

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${packageName}

Files: *
Copyright: 2026 the authors of ${packageName}
License: Apache-2.0

License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.

Comment: The executable has a JavaScript engine and npm packages compiled in. They
 and their licences are listed in ${packageName}.spdx.json, in this
 directory. The rootfs is made of Debian's packages; the copyright of each is in
 it, in /usr/share/doc.
`;

const lintianOverrides = `# A runtime that others have compiled, with libraries of their own in it; stripped, it would not start.
${packageName}: unstripped-binary-or-object [usr/sbin/mounter]
${packageName}: embedded-library *
${packageName}: hardening-no-pie [usr/sbin/mounter]
${packageName}: hardening-no-relro [usr/sbin/mounter]
# The kubelet is what wants the node prepared.
${packageName}: systemd-service-file-refers-to-unusual-wantedby-target *
`;
