import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import pRetry, { AbortError } from 'p-retry';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { ensureDockerRegistry } from '../packages/docker-registry.ts';
import { freePort } from './free-port.ts';

/** It answers within half a second; a busy machine gets 20 s. */
const startRetries = { retries: 200, minTimeout: 100, factor: 1 };

/** Debian's docker-registry on a free port of loopback, with its files in a scratch directory. */
export interface Registry {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /**
   * Pushes what skopeo calls `source`, such as `oci:DIRECTORY:TAG`, unchanged.
   * @returns the reference of its manifest, `127.0.0.1:PORT/NAME@sha256:…`.
   */
  push(source: string, name: string, tag: string): Promise<string>;
  /** The directory that holds its files; of use to break them. */
  readonly storage: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @throws when it does not answer within 20 s, with what it said. */
export async function startRegistry(): Promise<Registry> {
  await ensureInstalled(['skopeo']);
  const program = await ensureDockerRegistry();
  const storage = await mkdtemp(join(tmpdir(), 'registry-'));
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(storage, 'config.yml');
  await writeFile(config, configOf(storage, address));
  // setpriv: it ends with us, even if we are killed.
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, 'serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said = text(server.stderr);
  const ended = once(server, 'exit');
  const dispose = async () => {
    server.kill('SIGKILL');
    await ended;
    await rm(storage, { recursive: true, force: true });
  };
  try {
    await pRetry(async () => {
      if (server.exitCode !== null) throw new AbortError(`docker-registry ended: ${await said}`);
      await fetch(`http://${address}/v2/`);
    }, startRetries);
  } catch (error) {
    await dispose();
    throw error;
  }
  const push = (source: string, name: string, tag: string) => pushTo(`${address}/${name}`, source, tag);
  return { address, storage, push, [Symbol.asyncDispose]: dispose };
}

function configOf(storage: string, address: string): string {
  return `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${storage}/registry }
  delete: { enabled: true }
http: { addr: "${address}" }
`;
}

async function pushTo(repository: string, source: string, tag: string): Promise<string> {
  const target = `docker://${repository}:${tag}`;
  await execa('skopeo', ['copy', '--preserve-digests', '--dest-tls-verify=false', source, target]);
  const args = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', target];
  return `${repository}@${(await execa('skopeo', args)).stdout}`;
}
