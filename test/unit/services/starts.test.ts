import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { cachesSeen, serviceFunctions } from '../../../src/services/starts.ts';

test('what krb5.conf includes comes along, and the section around it goes on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "krb5 conf's-"));
  const place = mkdtempSync(join(tmpdir(), 'krb5-conf-'));
  try {
    // The directive ends at the line's end, and a name without blanks is all that krb5.conf(5) promises.
    mkdirSync(join(place, 'conf.d'));
    writeFileSync(join(place, 'conf.d/10-realm'), '[realms]\n R = {\n  kdc = k\n }\n');
    writeFileSync(join(place, 'conf.d/20-more.conf'), `include ${place}/deeper\n`);
    writeFileSync(join(place, 'conf.d/backup~'), '[wrong]\n');
    writeFileSync(join(place, 'conf.d/.hidden.conf'), '[wrong]\n');
    writeFileSync(join(place, 'deeper'), '[domain_realm]\n .x = R\n');
    const text = `includedir ${place}/conf.d\n[libdefaults]\n default_realm = R\ninclude ${place}/none\n rdns = false\n`;
    writeFileSync(join(directory, 'krb5.conf'), text);
    const functions = serviceFunctions
      .replaceAll('/etc/krb5.conf', join(place, 'copy'))
      .replaceAll('host=/proc/1/root', "host=''");
    await execa('sh', ['-c', `${functions}\ncopy_krb5_conf "$1"`, 'sh', join(directory, 'krb5.conf')]);
    t.is(
      readFileSync(join(place, 'copy'), 'utf8'),
      [
        ...['[realms]', ' R = {', '  kdc = k', ' }', '[domain_realm]', ' .x = R', '', ''],
        ...['[libdefaults]', ' default_realm = R', '[libdefaults]', ' rdns = false', ''],
      ].join('\n'),
    );
  } finally {
    for (const one of [directory, place]) rmSync(one, { recursive: true });
  }
});

test('tickets in /run are where they are; those of another directory have a place of their own', (t) => {
  t.is(cachesSeen('/run/tickets'), '/run/tickets');
  t.is(cachesSeen('/srv/tickets'), '/var/lib/krb5-caches');
});
