import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createSecureContext, rootCertificates } from 'node:tls';
import { trustBundles } from '../../services/tlshd.ts';

/** Besides the bundles. */
const directories = ['/etc/ssl/certs', '/etc/pki/tls/certs'];

let machines: readonly string[] | undefined;

/** `trustedCertificates` of this process's environment: some hundred files, read once. */
export function machinesCertificates(): readonly string[] {
  machines ??= trustedCertificates(process.env);
  return machines;
}

/**
 * The certificates that this machine trusts, PEM, each once: those of the first bundle that is there, and of all files in
 * the directories. SSL_CERT_FILE and SSL_CERT_DIR (with colons between several) say others.
 * @returns the ones built into the runtime where the machine has none.
 */
export function trustedCertificates(
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const files = environment.SSL_CERT_FILE ? [environment.SSL_CERT_FILE] : trustBundles;
  const places = environment.SSL_CERT_DIR ? environment.SSL_CERT_DIR.split(':') : directories;
  const bundle = files.map(readIfThere).find((text) => text !== undefined) ?? '';
  const texts = [bundle, ...places.flatMap(filesOf).flatMap((path) => readIfThere(path) ?? [])];
  const found = [...new Set(texts.flatMap(certificatesIn))];
  return found.length === 0 ? rootCertificates : found.filter(isReadable(found));
}

/** The certificates of a PEM text, each by itself. */
function certificatesIn(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** One that is damaged must not take the others with it; they are tried one by one only where there is such a one. */
function isReadable(all: readonly string[]): (certificate: string) => boolean {
  const works = (ca: readonly string[]) => {
    try {
      createSecureContext({ ca: [...ca] });
      return true;
    } catch {
      return false;
    }
  };
  const isAllWell = works(all);
  return (certificate) => isAllWell || works([certificate]);
}

/** Links within a directory give its files a second name, by their hash. */
function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .map((name) => `${directory}/${name}`)
      .filter((path) => !lstatSync(path).isSymbolicLink() || readlinkSync(path).includes('/'));
  } catch {
    return [];
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
