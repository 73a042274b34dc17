import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import type { CommandContext } from './context.ts';

/** `mounter help [COMMAND]`, `mounter --help` */
export async function help(argv: readonly string[], { output }: CommandContext): Promise<number> {
  const [command] = argv;
  output.out(command === undefined || /^(-h|--help|help)$/.test(command) ? overview : helpFor(command));
  return exitCode.success;
}

/** The manual of one command. @throws MounterError (usage) for a word that is none. */
export function helpFor(command: string): string {
  const text = Object.hasOwn(texts, command) ? texts[command as keyof typeof texts] : undefined;
  if (text !== undefined) return text;
  const near = nearest(command, Object.keys(texts));
  throw new MounterError('no help for it: unknown command', {
    subject: command,
    status: exitCode.usage,
    hint: near === undefined ? 'see mounter --help' : `did you mean mounter ${near} --help?`,
  });
}

const overview = `mounter: NFS and GlusterFS mounts for nodes without storage tools

  mounter mount -t TYPE [-o OPTIONS] SOURCE TARGET   mount as kubelet does, or by hand
  mounter install SOURCE    fetch a rootfs of storage tools, verified, and switch to it
  mounter prepare           make the node ready for mounts, after each boot; any number of times
  mounter status            what is installed, prepared, running and mounted
  mounter doctor            what is wrong with this node, and what to do about it
  mounter log               the last calls, and why they failed
  mounter exec -- COMMAND   run a tool of the rootfs, such as showmount or rpcinfo
  mounter kubelet -- FLAGS  run a kubelet in an image, with the host around it
  mounter versions          the rootfs versions that are installed, and what runs from them
  mounter rollback [DIGEST] switch to the version before, or to another one
  mounter prune             remove versions that nothing needs
  mounter unit --install    have systemd prepare the node at each boot
  mounter disable           turn the mounter off on this node: a call is the host's own mount(8) then
  mounter enable            turn it on again, when the node is prepared
  mounter teardown          undo prepare
  mounter manifest daemonset|cloud-init   print what sets up a whole fleet
  mounter node-agent        what the DaemonSet's container runs
  mounter help COMMAND      the manual of one command
  mounter version           the version of this executable

Called as mount.nfs, mount.nfs4 or mount.glusterfs it is that mount helper.
Environment: MOUNTER_HOME, the directory it is installed in; MOUNTER_MANIFEST, its rootfs-manifest.json.
`;

const texts = {
  mount: `mounter mount -t TYPE [-o OPTIONS] [-rwvfns] SOURCE TARGET

Runs the mount helper of the rootfs, so that the mount appears on the host. TARGET is an absolute
path of a directory below the kubelet directory. Success means that it is visible on the host.

  -t, --types TYPE      nfs, nfs4, glusterfs, or what else the manifest offers
  -o, --options LIST    handed to the helper as they are, in their order; may be repeated
  -r, --read-only       the same as -o ro        -w, --read-write   the same as -o rw
  -v, --verbose         say each step            -f, --fake         all but the mount itself
  -n, --no-mtab         for the helper           -s                 for the helper: tolerate unknown options
      --source SOURCE   instead of the operand       --target TARGET
      --no-canonicalize accepted: paths are never canonicalized
      --dry-run         print the plan, run nothing
      --json            the plan, or a failure: one object with class, status, subject, message, hint

NFSv3 with locks needs rpcbind and rpc.statd; they are started when needed, once per node.
Where the mounter is turned off (mounter disable) the host's own mount(8) runs instead, with the same arguments.
Exit status as in mount(8): 0 success, 1 usage or not root, 2 system, 8 interrupted, 32 mount failure,
or the helper's own.

  mounter mount -t nfs -o nfsvers=4.1,ro server:/export /var/lib/kubelet/pods/test/volume
  mounter mount -t nfs -o nfsvers=3 '[fd00::5]:/export' /var/lib/kubelet/pods/test/volume
  mounter mount -t glusterfs server:volume /var/lib/kubelet/pods/test/volume
  mounter mount --dry-run -t nfs server:/export /var/lib/kubelet/pods/test/volume
`,
  install: `mounter install SOURCE [OPTION…]
mounter install --helpers | --remove-helpers [--directory DIR]

Fetches a rootfs, unpacks it to versions/DIGEST below MOUNTER_HOME, checks that what its manifest promises
is there and runs, places this executable and the manifest, and switches the rootfs to it by one rename.
Installing what is installed changes nothing, or mends what is missing in it; a manifest that was edited on the
node is kept beside the new one, as rootfs-manifest.json.previous. A failure leaves the rootfs that was there. No other command waits for its network: a connection that brings less than 64 KiB in 30 s is
ended and tried again, some times. SOURCE is one of
  an image in a registry   registry.example/storage-tools:v3, or …@sha256:…
  a file                   a tar of a rootfs, plain or compressed with zstd or gzip; an image as an OCI tar
                           or from docker save
  a directory              in the OCI layout; oci:DIRECTORY:TAG where it has several images
  a URL                    https://… of such a file

      --digest sha256:HEX  what it must be: an image's digest; of a tar, the uncompressed one's. For a tar
                           it is the manifest's rootfs.digest if left out
      --manifest FILE      else rootfs-manifest.json beside SOURCE, else the one inside the image, else the
                           node's own
      --home DIR           instead of MOUNTER_HOME
      --no-switch          leave the rootfs as it is; mounter rollback DIGEST switches later
      --helpers            place mount.nfs, mount.nfs4 and mount.glusterfs, links to MOUNTER_HOME/mounter, where
                           the host's own mount(8) finds them: for a kubelet without the flag, for fstab.
                           A helper that the host has is left alone. With SOURCE, or without
      --remove-helpers     take these links away again
      --directory DIR      for them, instead of the first of /sbin, /sbin/fs.d, /sbin/fs that is writable
      --into DIR           unpack any image to DIR, new or empty, and nothing else. DIR is as open as the image has
                           it; directories above it that are missing are made for root alone
      --platform linux/ARCH[/VARIANT]   of an image for several; this machine's if left out
      --mirror HOST=URL    ask there first for what is at HOST; may be repeated
      --ca-file FILE       PEM certificates to trust besides the system's
      --plain-http         http where a registry has no https; on loopback it always may

  mounter install registry.example/storage-tools:v3
  mounter install dist/rootfs.tar.zst
  mounter install /media/rootfs.tar --manifest /media/rootfs-manifest.json
  mounter install --helpers
  mounter install registry.example/kubelet:v1.36.0 --into /opt/kubelet/v1.36.0
`,
  versions: `mounter versions [--json]

The rootfs versions that are installed: digest, when and from where it was installed, size, which is the
current and which the previous one; and the processes that run from each: daemons of volumes, rpcbind,
rpc.statd, a kubelet.

  mounter versions
  mounter versions --json
`,
  rollback: `mounter rollback [DIGEST]

Switches the rootfs to the version that was in use before, or to DIGEST (its first digits are enough), with
the manifest it was installed with. The version is checked first, and prepared where the node is. Mounted
volumes stay as they are, and so does etc/resolv.conf. A second rollback goes forward again.

  mounter rollback
  mounter rollback sha256:1f0c
`,
  prune: `mounter prune [--keep N] [--dry-run]

Removes versions, except the current one, the previous one, and each from which something runs or in which
somebody else has mounted something; says why it keeps one. --keep N: how many stay in any case, the current
one included (2 if left out). --dry-run only says what it would remove.

  mounter prune
  mounter prune --keep 1
`,
  prepare: `mounter prepare

Makes the node ready, after each boot and before kubelet. With "enter": "attach" it makes two mount namespaces
of the rootfs and pins them: one for mount helpers, one for lock services and mounter exec. With
"enter": "chroot" it mounts on the host: MOUNTER_HOME privately, the kubelet directory as a shared mount with a
peer group of its own, and inside the rootfs what its helpers need (mounts.mounter of the manifest). Makes the
kubelet directory where it is missing. Says what it did; a second run does nothing. Where the mounter is turned
off it does nothing, with status 0.

  mounter prepare
`,
  disable: `mounter disable

Turns the mounter off on this node: a call is then the host's own mount(8), with the same arguments, and mount(8)
has no helper of ours any more. Volumes that are mounted stay. It works where the manifest or the rootfs is broken or
gone, and waits for nothing. An install or a roll back leaves it off; so does the DaemonSet.

  mounter disable
  mounter enable
`,
  enable: `mounter enable

Takes back what mounter disable did: prepares the node, and turns the mounter on when that is done. The helpers of
mount(8) that it took away come back.

  mounter enable
`,
  teardown: `mounter teardown [--unmount-volumes] [--keep-kubelet]

Undoes prepare: ends rpcbind, rpc.statd and glusterfs where they run inside the rootfs, and takes its
mounts away. Refuses while volumes are mounted, unless it may unmount them. Files stay. Where the manifest is
broken, it goes by the one that this mounter was built with. Where MOUNTER_HOME was removed first, it takes away
the mount namespaces that are left.

      --unmount-volumes   unmount the volumes first
      --keep-kubelet      where a kubelet runs in an image, leave it at work, as it is. Without, that is refused

  mounter teardown
  mounter teardown --unmount-volumes
`,
  status: `mounter status [--json]
mounter status --metrics [FILE]

What is installed, prepared, running and mounted, and how the mounts of late went. Exit status 0 when a mount
can work, or where the mounter is turned off on purpose; 1 when not. Each volume is asked, all together
for less than 3 s:
  alive      it answers
  dead       its FUSE daemon is gone
  stale      its server no longer knows what was mounted
  silent     no answer: its server is gone or out of reach, or its FUSE daemon hangs
  error      it answers with another error
  not asked  there was no time left, because others are silent
  unknown    only root can ask, and where a rootfs is installed
mounter doctor says what to do about those that are not alive.

      --json            all of it; the state of a volume is one of these words (not-asked)
      --metrics         for Prometheus, as text: all mounts there were, and the node's state, with the volumes by
                        type and state: mounter_volumes{fstype="nfs",state="stale"}. To FILE, replaced at once,
                        for node-exporter's textfile collector; exit status 0 whatever the state

  mounter status
  mounter status --json
  mounter status --metrics /var/lib/prometheus/node-exporter/mounter.prom
`,
  log: `mounter log [--failures] [-n N] [--json]

The last calls in the record: every mount, and every other command that changed the node. What failed is
explained. The record is where log of the manifest says: a file, the journal, or nowhere.

      --failures        only those that failed
  -n N                  how many (20 if left out)
      --rotate          shows nothing: begins a new file where the record has become too large. A mount that
                        finds it so does that by itself

  mounter log --failures
  mounter log -n 100 --json
`,
  kubelet: `mounter kubelet [OPTION…] -- [COMMAND] FLAGS…

Runs a kubelet in an image that mounter install IMAGE --into DIR has extracted: in a mount namespace of its own it
sees the host's root directory, with the image's programs and libraries laid over the host's. The kubelet directory
is shared, so that all it mounts there appears on the host. Becomes COMMAND: same process, environment, descriptors,
signals. Without COMMAND, FLAGS are for the command that the image names. What the image sets (PATH and others)
counts where the caller's environment has no such variable; COMMAND is looked up in the image's PATH first.

      --rootfs DIR        the image; /var/lib/containerized-mounter/kubelet if left out
      --root-dir DIR      the kubelet directory, when it is another than the manifest's. A --root-dir among FLAGS
                          says the same; the image's own command is given it, a COMMAND is not
      --host-root PATH[:slave|shared]   the host's / once more, at PATH, a directory of the host's, with all its own
                          programs. With shared, what the kubelet mounts there appears on the host; slave if left out
      --dry-run           print what would be mounted and run; with --json for programs
  -v, --verbose           say on stderr what is mounted, and what is left out

mounter teardown undoes what was done on the host; not while the kubelet runs.
Exit status: the kubelet's own; 126 or 127 when it cannot be run.

  mounter install registry.example/kubelet:v1.36.0 --into /opt/kubelet/v1.36.0
  mounter kubelet --rootfs /opt/kubelet/v1.36.0 -- --config=/etc/kubernetes/kubelet.yaml
  mounter kubelet --rootfs /opt/kubelet/v1.36.0 --dry-run -- /usr/bin/kubelet --config=/etc/kubernetes/kubelet.yaml
`,
  doctor: `mounter doctor [--json] [--repair]

Examines the node and says one line for each finding: ok, warning or failing, and what to do. It looks at
the rootfs and its helpers, the kernel, devices, mounts and their propagation, duplicate mounts, fs.mount-max,
free space, lock services, name servers, each mounted volume, volumes of Pods that are gone, and the failures
of the last hour. Nothing that hangs holds it up: it ends within 5 s. It changes nothing.
Exit status 1 when a mount would fail, 0 when not. Where the manifest turns the mounter off it says so first, and
looks at the volumes alone.

      --repair          first do what prepare does, and unmount what is mounted twice on one target

  mounter doctor
  mounter doctor --json
  mounter doctor --repair
`,
  unit: `mounter unit [prepare|statd|kubelet] [--install|--remove] [--root DIR]
mounter unit kubelet [--rootfs DIR] [--root-dir DIR] [--host-root PATH] [-- [COMMAND] FLAGS…]

Prints the systemd units that do at boot what is otherwise done by hand; where no systemd runs, a shell line
that does the same. Without a name: prepare and statd.
  prepare   containerized-mounter-prepare.service: mounter prepare, before kubelet.service
  statd     containerized-mounter-rpcbind.service and -statd.service: NFSv3 locks, started by the first mount
            that needs them and again when they die; and -notify.service: after a restart, servers are told
            to give up the locks that this node had
  kubelet   containerized-mounter-kubelet.service: mounter kubelet with these arguments

      --install   write them to /etc/systemd/system, enable and start them; kubelet is not started. A second
                  run changes nothing
      --remove    disable and remove them (all, without a name); what runs goes on
      --root DIR  of another system, such as an image that is being built; nothing is started

  mounter unit --install
  mounter unit prepare
  mounter unit kubelet --install --rootfs /opt/kubelet/v1.36.0 -- kubelet --config /etc/kubernetes/kubelet.yaml
`,
  manifest: `mounter manifest daemonset --image REFERENCE@sha256:HEX [OPTION…]
mounter manifest daemonset --enabled false | --enabled true | --remove | --settings FILE
mounter manifest cloud-init --executable URL (--image REFERENCE@sha256:HEX | --url URL --digest sha256:HEX) [OPTION…]

daemonset prints what kubectl apply takes: a DaemonSet that installs the tools on each node, prepares it and
keeps it so, from the image that npm run image makes. A node is ready when mounts on it would work. The gate and
the settings are ConfigMaps of their own, printed where they are named; without --image nothing else is, so that
nothing else changes.
      --namespace NAME     kube-system if left out; another one is printed with --image
      --name NAME          of all its objects: containerized-mounter if left out. Give both in every call alike:
                           a gate of another name or namespace turns nothing
      --node-selector KEY=VALUE    may be repeated; nodes of Linux and of the architecture in any case
      --toleration KEY[=VALUE][:EFFECT]   may be repeated; every taint if left out
      --max-unavailable N|N%   how many nodes a new image goes to at a time: 10% if left out
      --enabled false      the gate: the mounter is off on all nodes, the host's own tools are left; true: on again
      --remove             the gate: off, and what the DaemonSet did on each node is undone; then delete it
      --settings FILE      JSON to lay over the image's rootfs-manifest.json, in place of all earlier settings: enabled,
                           enter, limits, policy, resolver, log, and filesystems that no node mounts:
                           {"filesystems": {"nfs": null}}. All else is refused: it would make root of who edits a
                           ConfigMap. {} takes all settings back
      --helpers            place mount.nfs and the like too, for kubelets without the flag
      --home DIR           MOUNTER_HOME on the nodes
      --interval SECONDS   between two rounds where nothing changes: 600 if left out
      --architecture ARCH  amd64 or arm64
      --kubernetes 1.N     the cluster's version, if it is below 1.30
      --selinux-type TYPE  where SELinux is enforced: a type that may do this, such as spc_t

cloud-init prints a cloud-config for machines that are built at their first boot: it fetches the executable and
the image, checks their digests, and prepares the node at each boot before kubelet.
      --executable URL     where this executable is to be had
      --executable-digest sha256:HEX   its digest; that of the executable which prints this if left out
      --image REFERENCE    what to install; or --url and --digest, of an image as an OCI tar
      --kubelet-flag       give kubelet --experimental-mounter-path
      --helpers, --home DIR      as above

  mounter manifest daemonset --image registry.example/mounter-node-agent@sha256:HEX | kubectl apply -f -
  mounter manifest daemonset --enabled false | kubectl apply -f -
  mounter manifest cloud-init --kubelet-flag --executable https://files.example/mounter \\
    --image registry.example/storage-tools@sha256:HEX
`,
  'node-agent': `mounter node-agent [--interval SECONDS] [--helpers] [--once]

What the container of mounter manifest daemonset runs: on its node, in the host's namespaces, it installs the tools
that its image holds, prepares the node, and asks mounter doctor. It looks every 5 s whether the node is still so,
which starts no program, and does all of it again where it is not, and every 600 s. What it says last is what the
readiness probe says; it begins with what fails.
The gate is /etc/containerized-mounter-gate/state: on, off, or removed; it comes before all else. Settings are read
from /etc/containerized-mounter/settings.json: enabled, enter, limits, policy, resolver and log, as
rootfs-manifest.json has them, such as {"limits": {"mountSeconds": 60}}, and {"filesystems": {"nfs": null}} for a type
that no node offers. Where either is not valid, the node stays as it is, and is not ready.

      --interval SECONDS   instead of these 600
      --helpers            place mount.nfs and the like too
      --once               one round; its status

  mounter node-agent --once
`,
  exec: `mounter exec -- COMMAND [ARGUMENT…]

Runs a program of the rootfs inside the rootfs, with this terminal and this exit status.

  mounter exec -- showmount -e server
  mounter exec -- rpcinfo -p 127.0.0.1
`,
  version: `mounter version

The version of this executable. Those of the rootfs are in mounter versions.

  mounter version
`,
} as const;
