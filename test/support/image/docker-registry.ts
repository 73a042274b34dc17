import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { repository } from '../../../scripts/paths.ts';
import { ensureDockerRegistry } from '../packages/docker-registry.ts';
import { freePort } from './free-port.ts';

export interface RegistryRequest {
  /** By user name: basic auth by htpasswd. */
  readonly passwords?: Readonly<Record<string, string>>;
  readonly tls?: boolean;
  /** Whether it wants a certificate of its CA's from whoever asks. */
  readonly clientCertificates?: boolean;
  /** A command prefix that enters the network namespace whose loopback it is on; ours if left out. */
  readonly enterNetwork?: readonly string[];
}

/** One that runs on loopback until it is disposed of. */
export class DockerRegistry {
  readonly address: string;
  /**
   * Scratch files. Where it speaks TLS, as 127.0.0.1 and as registry.example, `ca.pem` is among them, and `certs`, with
   * ca.crt, client.cert and client.key as in /etc/docker/certs.d.
   */
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #enterNetwork: readonly string[];

  private constructor(
    address: string,
    directory: string,
    child: ChildProcess,
    enterNetwork: readonly string[],
  ) {
    this.address = address;
    this.directory = directory;
    this.#process = child;
    this.#enterNetwork = enterNetwork;
  }

  static async start(request: RegistryRequest = {}): Promise<DockerRegistry> {
    const { passwords, clientCertificates = false, tls = clientCertificates, enterNetwork = [] } = request;
    await ensureInstalled(['skopeo', 'openssl']);
    const program = await ensureDockerRegistry();
    const directory = mkdtempSync(join(tmpdir(), 'docker-registry-'));
    const address = `127.0.0.1:${await freePort()}`;
    const config = {
      version: 0.1,
      log: { accesslog: { disabled: true }, level: 'error' },
      storage: { filesystem: { rootdirectory: `${directory}/storage` } },
      http: {
        addr: address,
        ...(tls && {
          tls: {
            ...(await makeCertificates(directory)),
            ...(clientCertificates && { clientcas: [join(directory, 'ca.pem')] }),
          },
        }),
      },
      ...(passwords && { auth: { htpasswd: { realm: 'test', path: await htpasswd(directory, passwords) } } }),
    };
    // YAML takes JSON.
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(config));
    // It ends with us, even if we are killed.
    const prefix = ['--pdeathsig', 'KILL', '--', ...enterNetwork];
    const args = [...prefix, program, 'serve', join(directory, 'config.yml')];
    const child = spawn('setpriv', args, { stdio: 'ignore' });
    const registry = new DockerRegistry(address, directory, child, enterNetwork);
    const ended = once(child, 'exit');
    await pRetry(() => registry.#run('bash', ['-c', `: </dev/tcp/${address.replace(':', '/')}`]), {
      retries: 1200,
      minTimeout: 50,
      factor: 1,
    });
    // Another may have taken the port since it was found free, and answered in its place.
    const isOurs = await Promise.race([ended.then(() => false), setTimeout(100, true)]);
    if (isOurs) return registry;
    rmSync(directory, { recursive: true, force: true });
    return DockerRegistry.start(request);
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    const [file = '', ...rest] = [...this.#enterNetwork, program, ...args];
    await execa(file, rest);
  }

  /** Copies with skopeo from `source`, such as `oci:DIR:TAG`. @returns the reference. */
  async push(source: string, name: string, login?: string): Promise<string> {
    const reference = `${this.address}/${name}`;
    const creds = login === undefined ? [] : ['--dest-creds', login];
    const certificates = join(this.directory, 'certs');
    const certs = existsSync(certificates) ? ['--dest-cert-dir', certificates] : ['--dest-tls-verify=false'];
    const copy = ['copy', '--all', '--preserve-digests', ...certs, ...creds];
    await this.#run('skopeo', ['--insecure-policy', ...copy, source, `docker://${reference}`]);
    return reference;
  }

  /** The same. @returns the reference of its manifest, `127.0.0.1:PORT/NAME@sha256:…`. */
  async pushForDigest(source: string, name: string): Promise<string> {
    const reference = await this.push(source, name);
    const args = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${reference}`];
    return `${this.address}/${name.split(':')[0]}@${(await execa('skopeo', args)).stdout}`;
  }

  /** Any number of times. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function htpasswd(directory: string, passwords: Readonly<Record<string, string>>): Promise<string> {
  const script = `for (const [user, password] of Object.entries(JSON.parse(process.argv.at(-1))))
    console.log(user + ':' + await Bun.password.hash(password, { algorithm: 'bcrypt', cost: 4 }))`;
  const bun = join(repository, 'node_modules/.bin/bun');
  const { stdout } = await execa(bun, ['-e', script, JSON.stringify(passwords)]);
  writeFileSync(join(directory, 'htpasswd'), `${stdout}\n`);
  return join(directory, 'htpasswd');
}

/** A CA, and certificates of its: for the registry, and for a client. */
async function makeCertificates(
  cwd: string,
): Promise<{ readonly certificate: string; readonly key: string }> {
  mkdirSync(join(cwd, 'certs'));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const make = (keyFile: string, file: string, name: string, ...more: readonly string[]) =>
    execa(
      'openssl',
      ['req', '-x509', ...key, '-keyout', keyFile, '-out', file, '-subj', `/CN=${name}`, ...more],
      {
        cwd,
      },
    );
  await make('ca.key', 'ca.pem', 'test CA');
  copyFileSync(join(cwd, 'ca.pem'), join(cwd, 'certs/ca.crt'));
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key'];
  const names = 'subjectAltName=IP:127.0.0.1,DNS:registry.example';
  await make('key.pem', 'cert.pem', 'test', ...signed, '-addext', names);
  await make('certs/client.key', 'certs/client.cert', 'client', ...signed);
  return { certificate: join(cwd, 'cert.pem'), key: join(cwd, 'key.pem') };
}
