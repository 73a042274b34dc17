import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import { parseOptions } from '../../../src/mount/arguments/options.ts';
import { checkPolicy } from '../../../src/mount/policy/options.ts';
import { maskSecrets } from '../../../src/secrets.ts';
import { fuzz, orMounterError } from '../../support/fuzz.ts';
import { drivers, manifest } from '../../support/model/node-model.ts';

const log = '/var/lib/kubelet/plugins/kubernetes.io/glusterfs/v/p.log';
const names = [
  'bg',
  'fg',
  'remount',
  'log-file',
  'subdir-mount',
  ...Object.values(drivers).flatMap(({ options }) => options.forbidden),
].map((entry) => entry.replace('*', 'x').replace(/=.*/, ''));
const noise = fc.string({ unit: fc.constantFrom(...',="\\ \'\tabg-*.xX=,,""'), maxLength: 6 });
const spelled = fc
  .tuple(fc.constantFrom(...names), fc.boolean())
  .map(([name, isUpper]) => (isUpper ? name.toUpperCase() : name));
const value = fc.constantFrom('', '=', '=1', `=${log}`, '=/etc/x.log', '=..', '=unix', '="a', '=a"');
const item = fc.oneof(
  fc.tuple(noise, spelled, value, noise).map((parts) => parts.join('')),
  fc.tuple(spelled, value).map((parts) => parts.join('')),
  fc.constantFrom('ro', 'hard', 'vers=4.2', 'context="a:b:c0,c1"', 'x-y'),
  noise,
);
/** One value in quotes for mount.nfs, many options for the kernel. */
const quoted = fc.array(item, { maxLength: 3 }).map((items) => `context="${items.join(',')}"`);
const list = fc.array(fc.oneof(item, quoted), { maxLength: 6 }).map((items) => items.join(','));

type Reader = (options: string) => readonly string[];

/** The readers of an options string, written down anew: what each takes for options. */
const readers: Readonly<Record<'nfs' | 'glusterfs', readonly Reader[]>> = {
  // po_split of nfs-utils, then the kernel's generic_parse_monolithic.
  nfs: [(options) => options.match(/(?:"[^"]*"|[^,"])+/g) ?? [], (options) => options.split(',')],
  // `echo $options | sed 's/,/ /g'`, then the words.
  glusterfs: [(options) => options.split(/[,\s]+/)],
};

function isForbidden(kind: 'nfs' | 'glusterfs', text: string): boolean {
  const [name = '', ...rest] = text.split('=');
  const given = rest.join('=');
  if (name === 'bg' || name === 'remount') return true;
  if (name === 'log-file') return given !== log;
  if (name === 'subdir-mount') return given.split('/').includes('..');
  return drivers[kind].options.forbidden.some((entry) => {
    if (entry.endsWith('*')) return name.startsWith(entry.slice(0, -1));
    return entry.includes('=') ? text === entry : name === entry;
  });
}

for (const kind of ['nfs', 'glusterfs'] as const) {
  test.serial(`${kind}: whatever passes, no reader sees a forbidden option in it`, async (t) => {
    await fuzz(
      t,
      fc.asyncProperty(list, async (options) => {
        const result = await orMounterError(() =>
          checkPolicy(drivers[kind], { fstype: kind, source: 's:v', options }, manifest),
        );
        if (result instanceof MounterError) return result.status === 1;
        return !readers[kind].some((read) => read(options).some((text) => isForbidden(kind, text)));
      }),
    );
  });
}

test.serial('with an allow-list nothing else passes, in any reading', async (t) => {
  const policy = { ...manifest.policy, options: { forbidden: [], allowed: ['ro', 'hard', 'context'] } };
  const isAllowed = (text: string) => /^(ro|hard|context)(=|$)/i.test(text) || /^c\d+(\.c\d+)?"*$/.test(text);
  await fuzz(
    t,
    fc.asyncProperty(list, async (options) => {
      const request = { fstype: 'nfs', source: 's:v', options };
      const result = await orMounterError(() => checkPolicy(drivers.nfs, request, { ...manifest, policy }));
      if (result instanceof MounterError) return true;
      const seen = readers.nfs.flatMap((read) => read(options)).filter((text) => text !== '');
      return seen.every((text) => isAllowed(text.replace(/["'\\\s]/g, '')));
    }),
  );
});

test.serial(
  'options: the items are the string, less its surplus commas; masking shows no password',
  async (t) => {
    // Letters that nothing else has: not one may be shown.
    const secret = 'ÄÖ,,ÜÄ';
    await fuzz(
      t,
      fc.asyncProperty(list, async (options) => {
        const items = await orMounterError(() => parseOptions(options));
        if (!(items instanceof MounterError)) {
          const texts = items.map(({ text }) => text);
          if (JSON.stringify(parseOptions(texts.join(','))) !== JSON.stringify(items)) return false;
        }
        return ['', ',ro', ',x="a,b"'].every(
          (rest) => !/[ÄÖÜ]/.test(maskSecrets(`${options},password=${secret}${rest}`)),
        );
      }),
    );
  },
);
