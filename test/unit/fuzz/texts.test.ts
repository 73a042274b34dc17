import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { parseManifest } from '../../../src/manifest/manifest.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { planMount } from '../../../src/mount/plan.ts';
import { fuzz, orMounterError } from '../../support/fuzz.ts';
import { target } from '../../support/model/node-model.ts';

/** What others write and we read: mountinfo, the manifest, an image's reference. */

const octal = (text: string) =>
  text.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
const field = fc.string({ unit: fc.constantFrom(...'a/ \t\n\\#-é:,"'), minLength: 1, maxLength: 12 });
const number = fc.nat(100_000);
const entry: fc.Arbitrary<MountEntry> = fc.record(
  {
    mountId: number,
    parentId: number,
    device: fc.constant('0:45'),
    root: field,
    mountPoint: field,
    mountOptions: fc.constantFrom(['rw'], ['ro', 'nosymfollow']),
    peerGroup: fc.option(number, { nil: undefined }),
    master: fc.option(number, { nil: undefined }),
    isUnbindable: fc.boolean(),
    fstype: fc.constantFrom('nfs4', 'fuse.glusterfs'),
    source: field,
    superOptions: fc.constantFrom(['rw'], ['rw', 'vers=4.2']),
  },
  { noNullPrototype: true },
);

function lineOf(e: MountEntry): string {
  const optional = [
    ...(e.peerGroup === undefined ? [] : [`shared:${e.peerGroup}`]),
    ...(e.master === undefined ? [] : [`master:${e.master}`]),
    ...(e.isUnbindable ? ['unbindable'] : []),
  ];
  const head = [e.mountId, e.parentId, e.device, octal(e.root), octal(e.mountPoint), e.mountOptions.join()];
  return [...head, ...optional, '-', e.fstype, octal(e.source), e.superOptions.join()].join(' ');
}

test.serial('mountinfo: what the kernel writes is read back, whatever stands between', async (t) => {
  const garbage = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', '').replaceAll(' ', ''));
  await fuzz(
    t,
    fc.asyncProperty(fc.array(entry, { maxLength: 5 }), garbage, async (entries, line) => {
      const text = [line, ...entries.map(lineOf), line, ''].join('\n');
      return isDeepStrictEqual(parseMountinfo(text), entries);
    }),
  );
});

test.serial('mountinfo: any text is read without an error', async (t) => {
  const piece = fc.constantFrom(' ', '\n', '-', '1', '0:1', '/', '\\040', '\\', 'shared:', 'rw', 'x');
  await fuzz(
    t,
    fc.asyncProperty(
      fc.oneof(
        fc.array(piece).map((pieces) => pieces.join('')),
        fc
          .array(fc.oneof(piece, fc.constant('')), { minLength: 8, maxLength: 12 })
          .map((pieces) => pieces.join(' ')),
      ),
      async (text) => parseMountinfo(text).every(({ mountPoint }) => mountPoint !== ''),
    ),
  );
});

const shipped = readFileSync(new URL('../../../rootfs-manifest.json', import.meta.url), 'utf8');

/** What uses most of a manifest: locks, policy, files that a helper writes. */
const calls = [
  ['nfs', 'vers=3,hard', 's:/v'],
  ['nfs4', 'ro', 's:/v'],
  ['glusterfs', 'log-file=/var/lib/kubelet/plugins/x.log', 's:v'],
] as const;

/** The manifest with some values replaced by what else JSON can hold. */
const mutated = fc
  .array(fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 2 })), { minLength: 1, maxLength: 3 })
  .map((changes) => changes.reduce((text, [pick, value]) => replaced(text, pick, value), shipped));

/** `json` with its value number `pick`, in the order of the text, replaced. */
function replaced(json: string, pick: number, value: unknown): string {
  let count = 0;
  const parse = (place: number) => {
    count = 0;
    return JSON.parse(json, (_, inner) => {
      count += 1;
      return count === place ? value : inner;
    });
  };
  parse(0);
  return JSON.stringify(parse((pick % count) + 1)) ?? 'null';
}

test.serial(
  'the manifest: any JSON is a manifest that a mount can go by, or an error that names a field',
  async (t) => {
    await fuzz(
      t,
      fc.asyncProperty(fc.oneof(mutated, fc.json(), fc.string()), async (text) => {
        const manifest = await orMounterError(() => parseManifest(text, 'm'));
        if (manifest instanceof MounterError) return manifest.status === 2 && manifest.subject === 'm';
        for (const [type, options, source] of calls) {
          const words = ['-t', type, '-o', options, source, target];
          const plan = await orMounterError(() =>
            planMount(toMountRequest(parseMountArguments(words)), manifest),
          );
          if (plan instanceof MounterError) continue;
          const helper = plan.steps.find((step) => step.kind === 'runHelper')?.argv[0];
          if (typeof helper !== 'string' || !helper.startsWith('/')) return false;
        }
        return Object.values(manifest.limits).every((seconds) => seconds > 0);
      }),
    );
  },
);

test.serial(
  'image references: any word is a reference or a usage error, and is read the same again',
  async (t) => {
    const part = fc.constantFrom(
      'registry.example',
      ':5000',
      '/',
      'tools',
      ':',
      'v1',
      '@',
      'sha256:',
      'a'.repeat(64),
      '[::1]',
      '..',
      '_',
      '-',
      'Ü',
      ' ',
      '%2f',
      '\n',
    );
    const word = fc.oneof(
      fc.array(part, { maxLength: 9 }).map((parts) => parts.join('')),
      fc.string(),
    );
    await fuzz(
      t,
      fc.asyncProperty(word, async (text) => {
        const found = await orMounterError(() => parseReference(text));
        if (found instanceof MounterError) return found.status === 1;
        const { registry, repository, tag, digest } = found;
        const again = parseReference(
          `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`,
        );
        return JSON.stringify(again) === JSON.stringify(found) && !/(^|\/)\.\.?(\/|$)|\s/.test(repository);
      }),
    );
  },
);
