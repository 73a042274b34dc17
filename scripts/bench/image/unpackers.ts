import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureInstalled } from '../../debian.ts';

/** One way from a registry to a tree on the disk. */
export interface Unpacker {
  readonly name: string;
  /** Unpacks the image `reference` into a new directory below `scratch`. */
  unpack(reference: string, scratch: string): Promise<Unpacked>;
}

export interface Unpacked {
  readonly root: string;
  /** Wall time. */
  readonly ms: number;
}

/** skopeo pulls, umoci unpacks: what people use today. `raw`: without umoci's own bookkeeping of the tree. */
export function skopeoAndUmoci(kind: 'unpack' | 'raw unpack'): Unpacker {
  return {
    name: `skopeo copy, umoci ${kind}`,
    async unpack(reference, scratch) {
      await ensureInstalled(['skopeo', 'umoci']);
      const directory = await mkdtemp(join(scratch, 'umoci-'));
      const [layout, target] = [join(directory, 'layout'), join(directory, 'tree')];
      const copy = ['copy', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:test`];
      const unpack = [...kind.split(' '), '--image', `${layout}:test`, target];
      const ms = await timed(async () => {
        await execa('skopeo', copy);
        await execa('umoci', unpack);
      });
      return { root: kind === 'unpack' ? join(target, 'rootfs') : target, ms };
    },
  };
}

/** `mounter install REFERENCE --into DIRECTORY` by the program `executable`. */
export function mounterInstall(executable: string): Unpacker {
  return {
    name: 'mounter install --into',
    async unpack(reference, scratch) {
      const root = join(await mkdtemp(join(scratch, 'mounter-')), 'tree');
      return { root, ms: await timed(() => execa(executable, ['install', reference, '--into', root])) };
    },
  };
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}
