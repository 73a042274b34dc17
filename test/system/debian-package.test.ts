import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { cacheDirectory } from '../../scripts/paths.ts';
import { writeSmallPackage } from '../support/packages/debian-package.ts';

/** Debian's dpkg, on a machine without a running systemd; with one: test/systemd/third-boot.test.ts. */

const packages = mkdtempSync(join(tmpdir(), 'debs-'));
/** Upper directories of overlays are no overlays themselves. */
const scratch = mkdtempSync(join(cacheDirectory, 'machine-'));
test.after.always(() => {
  for (const directory of [packages, scratch]) rmSync(directory, { recursive: true, force: true });
});
test.before(async () => {
  for (const version of ['1', '2'])
    await writeSmallPackage(join(packages, `${version}.deb`), version, {
      'usr/sbin/mounter': `${version}\n`,
    });
});

const prelude = `
quiet() { "$@" >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }; }
links() { find /etc/systemd -name 'containerized-mounter*' | sort; }
package=containerized-mounter
home=/home/kubernetes/containerized_mounter
`;

/** Runs a script on a machine that is this one, up to now. @returns its lines. */
async function onMachine(name: string, script: string): Promise<readonly string[]> {
  const top = join(scratch, name);
  mkdirSync(top);
  const enter = `
    mount -t tmpfs tmpfs ${top}
    mkdir ${top}/upper ${top}/work ${top}/root
    mount -t overlay -o lowerdir=/,upperdir=${top}/upper,workdir=${top}/work overlay ${top}/root
    mount -t proc proc ${top}/root/proc
    mount -t tmpfs tmpfs ${top}/root/run
    cp ${packages}/*.deb ${top}/root/tmp
    exec chroot ${top}/root sh -euc "$0"`;
  const argv = ['--mount', '--pid', '--fork', 'sh', '-euc', enter, prelude + script];
  const { stdout } = await execa('unshare', argv, { cwd: '/', stdin: 'ignore', env: { LC_ALL: 'C' } });
  return stdout.split('\n').filter((line) => line !== '');
}

test.serial(
  'what an operator has enabled outlives an upgrade and a removal, and nothing of it a purge',
  async (t) => {
    const lines = await onMachine(
      'enabled',
      `quiet dpkg --install /tmp/1.deb
     links
     quiet systemctl enable $package-prepare.service $package-csi.service $package-metrics.timer
     links >/tmp/enabled
     test "$(wc -l </tmp/enabled)" -ge 4
     quiet dpkg --install /tmp/2.deb
     dpkg --verify $package
     links | diff /tmp/enabled -
     quiet dpkg --remove $package
     links | diff /tmp/enabled -
     quiet dpkg --install /tmp/2.deb
     systemctl is-enabled $package-csi.service
     quiet dpkg --purge $package
     quiet dpkg --purge $package
     links
     dpkg --status $package 2>&1 | head -1`,
    );
    t.deepEqual(lines, [
      'enabled',
      "dpkg-query: package 'containerized-mounter' is not installed and no information is available",
    ]);
  },
);

test.serial('what `mounter unit` has written and enabled is none of the package', async (t) => {
  const lines = await onMachine(
    'by-hand',
    `for unit in $package-prepare.service $package-csi.service; do
       printf '[Service]\\nExecStart=true\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/$unit
     done
     quiet systemctl enable $package-prepare.service $package-csi.service
     mkdir -p /etc/systemd/system/$package-csi.service.d
     links >/tmp/before
     quiet dpkg --install /tmp/1.deb
     quiet dpkg --install /tmp/2.deb
     quiet dpkg --purge $package
     links | diff /tmp/before -
     find /usr/lib/systemd /usr/share/doc -name "$package*"`,
  );
  t.deepEqual(lines, []);
});

test.serial(
  'a removal says what stays on the node, and what its next boot lacks, and waits for none of it',
  async (t) => {
    const lines = await onMachine(
      'installed',
      `rm -rf $home
     mkdir -p $home
     printf '#!/bin/sh\\necho "asked: $*"\\nexit 1\\n' >$home/mounter
     chmod +x $home/mounter
     quiet dpkg --install /tmp/1.deb
     dpkg --remove $package | sed 1,2d
     ls $home`,
    );
    t.deepEqual(lines, [
      '/home/kubernetes/containerized_mounter stays, with what it has mounted:',
      'asked: status --volumes',
      'At its next boot nothing prepares this node, unless by /home/kubernetes/containerized_mounter/mounter unit --install',
      'To end that too, when all is unmounted: /home/kubernetes/containerized_mounter/mounter teardown && rm -r /home/kubernetes/containerized_mounter',
      'mounter',
    ]);
  },
);

test.serial('installs in other places are found by their units, helper links and settings', async (t) => {
  const lines = await onMachine(
    'elsewhere',
    `rm -rf $home
     for place in unit 'helper link' settings none; do
       mkdir -p "/opt/$place"
       printf '#!/bin/sh\necho "asked of %s: $MOUNTER_HOME$*"\n' "$place" >"/opt/$place/mounter"
       chmod +x "/opt/$place/mounter"
     done
     printf '[Unit]\nConditionFileIsExecutable=/opt/unit/mounter\n' >/etc/systemd/system/$package-prepare.service
     ln -s '/opt/helper link/mounter' /sbin/mount.ours
     mkdir /run/$package
     printf '9 /opt/settings/rootfs-manifest.json 1 2 3\n{}' >/run/$package/settings
     quiet dpkg --install /tmp/1.deb
     MOUNTER_HOME=/opt/none dpkg --remove $package | sed 1,2d`,
  );
  const stays = (home: string, name: string) => [
    `${home} stays, with what it has mounted:`,
    `asked of ${name}: status --volumes`,
    `To end that too, when all is unmounted: ${home}/mounter teardown && rm -r ${home}`,
  ];
  t.deepEqual(
    lines,
    ['helper link', 'settings', 'unit'].flatMap((name) => stays(`/opt/${name}`, name)),
  );
});

test.serial(
  'a program of that name that was put there by hand comes back when the package is removed',
  async (t) => {
    const own = '/usr/sbin/mounter';
    const lines = await onMachine(
      'by-hand-program',
      `there() { cat ${own}; ls ${own}*; }
     ln -s /etc/hostname ${own}
     quiet dpkg --install /tmp/1.deb
     there
     quiet dpkg --install /tmp/2.deb
     there
     dpkg --remove $package | tail -1
     readlink ${own}
     ls ${own}*
     rm ${own}
     quiet dpkg --install /tmp/1.deb
     quiet dpkg --purge $package
     test ! -e ${own}`,
    );
    const both = [own, `${own}.dpkg-old`];
    t.deepEqual(lines, [
      ...['1', ...both],
      ...['2', ...both],
      `${own} is again what it was before this package`,
      '/etc/hostname',
      own,
    ]);
  },
);
