import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/** Whom to trust beside those whom everybody trusts, and who we are; PEM. */
export interface Certificates {
  readonly ca: readonly string[];
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

export const noCertificates: Certificates = { ca: [], clients: [] };

/** The files that they are in. */
export interface CertificateFiles {
  readonly ca: readonly string[];
  /** A certificate may have its key in its own file, which is then named twice. */
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

/**
 * What docker and skopeo find in a directory for one registry: `*.crt` are CAs, `NAME.cert` with `NAME.key` is for a
 * server that wants to know who asks. @see https://docs.docker.com/engine/security/certificates
 */
export function certificateFilesIn(directory: string): CertificateFiles {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return noCertificates;
  const paths = readdirSync(directory).map((name) => `${directory}/${name}`);
  const clients = paths
    .filter((path) => path.endsWith('.cert'))
    .map((cert) => {
      const key = `${cert.slice(0, -'.cert'.length)}.key`;
      return { cert, key: existsSync(key) ? key : cert };
    });
  return { ca: paths.filter((path) => path.endsWith('.crt')), clients };
}

/** @throws MounterError (usage) that names the file, and quotes nothing of it. */
export function readCertificateFiles(files: readonly CertificateFiles[]): Certificates {
  const clients = files
    .flatMap((each) => each.clients)
    .map(({ cert, key }) => {
      const pair = { cert: readFile(cert), key: readFile(key) };
      checkPair(pair, cert);
      return pair;
    });
  return { ca: files.flatMap((each) => each.ca).map(readCertificates), clients };
}

/** @throws MounterError (usage) */
export function readCertificates(file: string): string {
  const text = readFile(file);
  if (/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(text)) return text;
  throw unusable(file, 'has no certificate in it', "give the CA's certificate as PEM text");
}

function checkPair(pair: { readonly cert: string; readonly key: string }, file: string): void {
  try {
    createSecureContext(pair);
  } catch {
    throw unusable(file, 'is no certificate with its key', 'give both as PEM text, NAME.cert and NAME.key');
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw unusable(file, `cannot be read (${code})`, 'put it there, or take out what names it');
  }
}

function unusable(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}
