import { dirname } from 'node:path';

/**
 * What a container that runs as root can do in an emptyDir of its own while a mount below it is made: swap a
 * directory on the way, or the target, with a symlink or another directory.
 */
export interface Attack {
  readonly title: string;
  /** Swapped by test/support/programs/exchange.c. */
  readonly pairs: readonly string[];
  /** Shell commands that make what the attack needs. */
  readonly setUp: string;
}

/**
 * @param volume where the attacker writes.
 * @param pods kubelet's directory of Pods.
 * @returns the target, and the attacks on the way to it. Its last part, `etc`, is also the name of a directory
 *   that each symlink leads to: in the rootfs, on the host, in another Pod.
 */
export function attacks(
  volume: string,
  pods: string,
): { readonly target: string; readonly attacks: readonly Attack[] } {
  const target = `${volume}/way/etc`;
  const victim = `${pods}/victim/volumes/kubernetes.io~nfs`;
  const way = dirname(target);
  const setUp = `rm -rf ${volume}; mkdir -p ${target} ${victim}/etc; chmod 755 ${volume}`;
  return {
    target,
    attacks: [
      {
        title: 'a directory on the way and a symlink to /',
        pairs: [way, `${volume}/link`],
        setUp: `${setUp}; ln -s / ${volume}/link`,
      },
      {
        title: "a directory on the way and a symlink to another Pod's volumes",
        pairs: [way, `${volume}/link`],
        setUp: `${setUp}; ln -s ${victim} ${volume}/link`,
      },
      {
        title: 'the target and a symlink to /etc',
        pairs: [target, `${way}/link`],
        setUp: `${setUp}; ln -s /etc ${way}/link`,
      },
      {
        title: 'two directories, and one of them with a symlink',
        pairs: [way, `${volume}/other`, way, `${volume}/link`],
        setUp: `${setUp}; mkdir -p ${volume}/other/etc; ln -s / ${volume}/link`,
      },
    ],
  };
}
