import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import test from 'ava';
import { trustedCertificates } from '../../../../src/image/registry/trust-store.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trust-store-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

function certificate(name: string): string {
  const file = join(scratch, `${name}.made`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', file, '-subj', `/CN=${name}`], {
    stdio: 'ignore',
  });
  return readFileSync(file, 'utf8').trim();
}

test('the bundle and the directories that the environment names, each certificate once', (t) => {
  const [one, two, three] = [certificate('one'), certificate('two'), certificate('three')];
  const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
  const [bundle, a, b] = [join(scratch, 'bundle'), join(scratch, 'a'), join(scratch, 'b')];
  writeFileSync(
    bundle,
    `# one\n${one}\n${two}\n-----BEGIN TRUSTED CERTIFICATE-----\nAA==\n-----END TRUSTED CERTIFICATE-----\n`,
  );
  for (const directory of [a, b]) mkdirSync(directory);
  writeFileSync(join(a, 'two.pem'), two);
  writeFileSync(join(b, 'three.crt'), `${three}\n${damaged}`);
  writeFileSync(join(b, 'notes'), 'none');
  symlinkSync('three.crt', join(b, '01234567.0'));
  mkdirSync(join(b, 'below'));
  const found = trustedCertificates({ SSL_CERT_FILE: bundle, SSL_CERT_DIR: `${a}:${b}:${scratch}/gone` });
  t.deepEqual(found.slice(0, 3), [one, two, three]);
});

test('a machine that trusts nobody: the ones that came with the runtime', (t) => {
  const none = { SSL_CERT_FILE: join(scratch, 'gone'), SSL_CERT_DIR: join(scratch, 'gone') };
  t.deepEqual(trustedCertificates(none), rootCertificates);
});
