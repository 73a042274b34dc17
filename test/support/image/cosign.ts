import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureCosign } from '../packages/cosign.ts';

export type KeyKind = 'ecdsa' | 'ed25519' | 'rsa';

/** A key pair as files: for cosign, for node, and what is given to a node. */
export interface KeyPair {
  readonly cosign: string;
  readonly privatePem: string;
  readonly publicPem: string;
}

const generate: Readonly<Record<KeyKind, readonly string[]>> = {
  ecdsa: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ed25519: ['-algorithm', 'ed25519'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
};

type Programs = Awaited<ReturnType<typeof ensureCosign>>;

/** Both versions of cosign, away from any network but that of a registry on loopback. */
export class Cosign {
  /** For keys. */
  readonly #directory: string;
  readonly #programs: Programs;

  private constructor(directory: string, programs: Programs) {
    this.#directory = directory;
    this.#programs = programs;
  }

  static async prepare(directory: string): Promise<Cosign> {
    return new Cosign(directory, await ensureCosign());
  }

  async #run(program: keyof Programs, args: readonly string[]): Promise<string> {
    const { stdout } = await execa(this.#programs[program], args, {
      env: { COSIGN_PASSWORD: '', HOME: this.#directory },
      stdin: 'ignore',
    });
    return stdout;
  }

  async keyPair(kind: KeyKind, name: string = kind): Promise<KeyPair> {
    const at = (end: string) => join(this.#directory, `${name}${end}`);
    const privatePem = at('.pem');
    await execa('openssl', ['genpkey', ...generate[kind], '-out', privatePem]);
    await this.#run('current', ['import-key-pair', '--key', privatePem, '--output-key-prefix', at(''), '-y']);
    return { cosign: at('.key'), privatePem, publicPem: at('.pub') };
  }

  /** `old`: the tag `sha256-….sig`; `current`: a bundle as referrer. @param reference with a digest. */
  async sign(version: 'old' | 'current', reference: string, key: KeyPair): Promise<void> {
    const offline = version === 'old' ? [] : ['--use-signing-config=false'];
    await this.#run(version, [
      'sign',
      '--key',
      key.cosign,
      ...offline,
      '--tlog-upload=false',
      '-y',
      reference,
    ]);
  }

  /** A statement about the image, signed like a signature. */
  async attest(reference: string, key: KeyPair): Promise<void> {
    const predicate = join(this.#directory, 'predicate.json');
    writeFileSync(predicate, '{}');
    const what = ['--type', 'custom', '--predicate', predicate, '--use-signing-config=false'];
    await this.#run('current', [
      'attest',
      '--key',
      key.cosign,
      ...what,
      '--tlog-upload=false',
      '-y',
      reference,
    ]);
  }

  /** @throws where cosign does not find it signed. */
  async verify(version: 'old' | 'current', reference: string, publicKey: string): Promise<void> {
    await this.#run(version, ['verify', '--key', publicKey, '--insecure-ignore-tlog', reference]);
  }

  /** @returns the statement about an image. @throws where cosign finds none of the type by this key. */
  async verifyAttestation(version: 'old' | 'current', reference: string, publicKey: string, type: string) {
    const key = ['--key', publicKey, '--insecure-ignore-tlog', '--type', type];
    const said = await this.#run(version, ['verify-attestation', ...key, reference]);
    const { payload } = JSON.parse(said.split('\n')[0] ?? '');
    return JSON.parse(Buffer.from(payload, 'base64').toString());
  }

  async save(reference: string, directory: string): Promise<void> {
    await this.#run('current', ['save', '--dir', directory, reference]);
  }
}
