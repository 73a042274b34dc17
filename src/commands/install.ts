import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type InstallRequest, installVersion } from '../image/install.ts';
import { layoutOf } from '../rootfs/layout.ts';
import { type Manifest, parseManifest } from '../rootfs/manifest.ts';
import { requireRoot } from '../rootfs/node.ts';
import { withNodeLock } from '../rootfs/node-lock.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** `mounter install FILE` */
export async function install(argv: readonly string[], context: CommandContext): Promise<number> {
  const { host, output } = context;
  const flags = parseFlags('install', argv, {
    boolean: [],
    string: ['digest', 'manifest', 'home'],
    operands: [1, 1],
  });
  requireRoot(host, 'installing');
  const home = flags.value('home');
  const layout = home === undefined ? context.layout : layoutOf(resolve(home), process.env.MOUNTER_MANIFEST);
  const request = readRequest(flags.operands[0] ?? '', flags.value('manifest'), flags.value('digest'));
  const done = await withNodeLock(() => installVersion(request, { ...context, layout }));
  const summary = `${request.manifest.rootfs.name} ${request.digest} in ${layout.home}`;
  output.out(
    done.length === 0 ? `installed already: ${summary}\n` : `${done.join('\n')}\ninstalled ${summary}\n`,
  );
  return exitCode.success;
}

function readRequest(
  file: string,
  manifestFlag: string | undefined,
  digestFlag: string | undefined,
): InstallRequest {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new MounterError('there is no such file', {
      subject: file,
      status: exitCode.usage,
      hint: 'name the tar of a rootfs, such as dist/rootfs.tar.zst',
    });
  }
  const manifestPath = manifestFlag ?? `${dirname(file)}/rootfs-manifest.json`;
  if (!existsSync(manifestPath)) {
    throw new MounterError('there is no manifest for the rootfs', {
      subject: manifestPath,
      status: exitCode.usage,
      hint: 'put rootfs-manifest.json beside the file, or name it with --manifest',
    });
  }
  const manifestText = readFileSync(manifestPath, 'utf8');
  const manifest = parseManifest(manifestText, manifestPath);
  return { file, manifest, manifestText, digest: wantedDigest(file, manifest, digestFlag) };
}

function wantedDigest(file: string, manifest: Manifest, digestFlag: string | undefined): string {
  const digest = digestFlag ?? manifest.rootfs.digest;
  if (digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new MounterError(
    digest === undefined
      ? 'the manifest has no rootfs.digest to check it with'
      : 'the digest is not sha256: and 64 hexadecimal digits',
    {
      subject: digest ?? file,
      status: exitCode.usage,
      hint: 'give the digest of the uncompressed tar with --digest sha256:…',
    },
  );
}
