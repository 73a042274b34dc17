import { lstatSync, readFileSync, statSync } from 'node:fs';
import type { MountEntry } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { usedNameservers } from '../resolver/merge.ts';
import { leftOutOfCopies, oldCopies } from '../resolver/node-files.ts';
import { lacksKubelet } from '../resolver/rootfs-resolv-conf.ts';
import type { DoctorContext } from './context.ts';
import { type Advice, failing, type Judgement, ok, warning } from './finding.ts';
import { kubeletsOfNode } from './kubelet.ts';
import { askNameServer, type NameServerAnswer } from './name-server.ts';

/** Whether the rootfs has a resolv.conf of its own. */
export function checkResolvConf({ root, entries }: DoctorContext): readonly Judgement[] {
  const view = viewOfHost(`${root}/etc/resolv.conf`, entries);
  return view === undefined ? [] : [view];
}

/** Whether its name servers are the cluster's, and answer. */
export async function checkResolver(context: DoctorContext): Promise<readonly Advice[]> {
  const path = `${context.root}/etc/resolv.conf`;
  const copies = judgeCopies(context);
  if (viewOfHost(path, context.entries) !== undefined) return copies;
  const text = readFileSync(path, 'utf8');
  const kubelets = await kubeletsOfNode(context);
  // Those that were told to mount by us, and so to write the file.
  const withUs = kubelets.filter(({ mounter }) => mounter === context.layout.executable);
  const late = judgeKubelets(
    path,
    text,
    context.manifest,
    withUs.map(({ pid }) => pid),
  );
  return [...late, ...copies, ...(await checkServers(path, usedNameservers(text)))];
}

/** The rootfs's copies of the node's own files. */
function judgeCopies({ root, host, manifest }: DoctorContext): readonly Advice[] {
  const context = { host, manifest };
  const old = oldCopies(root, context).map((path) =>
    warning(
      `${root}${path}`,
      `is not what this node's ${path} is`,
      `write what is to stay into ${path} of the node, then run mounter prepare, which copies it`,
    ),
  );
  const leftOut = leftOutOfCopies(root, context).map(({ told, remedy }) =>
    warning(`${root}/etc`, told, `mounts go on without it: ${remedy}`),
  );
  return [...old, ...leftOut];
}

/** kubelet writes the file only when it starts: one that started before there was a rootfs had nowhere to write to. */
export function judgeKubelets(
  path: string,
  text: string,
  { resolver }: Pick<Manifest, 'resolver'>,
  kubelets: readonly number[],
): readonly Advice[] {
  const [pid] = kubelets;
  const isToWrite = resolver.mode === 'kubelet' && resolver.nameservers.length === 0;
  if (pid === undefined || !isToWrite || !lacksKubelet(text)) return [];
  return [
    warning(
      path,
      `has the host's name servers, and none of the cluster's: kubelet (process ${pid}) began before there was a rootfs to write them to`,
      'run systemctl restart kubelet; or name them as resolver.nameservers in node-settings.json, then run mounter prepare',
    ),
  ];
}

async function checkServers(path: string, servers: readonly string[]): Promise<readonly Advice[]> {
  if (servers.length === 0)
    return [
      warning(
        path,
        'names no name server: a server has to be mounted by its address',
        "name one in the host's /etc/resolv.conf, or as resolver.nameservers in node-settings.json; then run mounter prepare",
      ),
    ];
  const answers = await Promise.all(servers.map(askNameServer));
  return servers.map((server, index) => judgeNameServer(path, server, answers[index]));
}

/** kubelet writes this file: were it the host's, the node would lose its own name servers. */
function viewOfHost(path: string, entries: readonly MountEntry[]): Judgement | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return warning(path, 'is missing: no name resolves', 'run mounter prepare');
  if (status.isSymbolicLink())
    return failing(
      path,
      'is a symlink: kubelet would write through it',
      'run mounter prepare, which makes it a file',
    );
  const own = statSync('/etc/resolv.conf', { throwIfNoEntry: false });
  const isHosts = own !== undefined && own.dev === status.dev && own.ino === status.ino;
  if (isHosts || entries.some(({ mountPoint }) => mountPoint === path))
    return failing(
      path,
      "is the host's own file: kubelet would write through it",
      `umount ${path}, then run mounter prepare`,
    );
  return undefined;
}

export function judgeNameServer(path: string, server: string, answer: NameServerAnswer | undefined): Advice {
  if (answer?.kind === 'answered')
    return ok(server, `this name server answers, after ${answer.milliseconds} ms`);
  const why = answer?.kind === 'refused' ? `does not take questions (${answer.code})` : 'does not answer';
  return warning(
    server,
    `this name server ${why}: mounts by name wait for it or fail`,
    `start it, or name another one in ${path}; kubelet writes the cluster's there at its start`,
  );
}
