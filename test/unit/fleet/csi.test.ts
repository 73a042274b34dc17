import test from 'ava';
import { volumeOf } from '../../../src/csi/volume.ts';
import { exampleDocuments } from '../../../src/fleet/csi.ts';
import { effectiveManifest } from '../../../src/manifest/node-settings.ts';
import { shippedText } from '../../../src/manifest/shipped.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { manifest, planOf, target } from '../../support/model/node-model.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes
type Tree = any;

test('the inline example is refused as it ships, and allowed by the rules above it, as is a claim', (t) => {
  const example = exampleDocuments('a.csi').find(({ comments }) => comments.spec?.includes('"inline"'));
  const { metadata, spec } = (example?.content ?? {}) as Tree;
  const [{ csi }] = spec.volumes;
  t.is(csi.driver, 'a.csi');
  const capability = {
    block: null,
    mount: { fsType: '', mountFlags: [], volumeMountGroup: '' },
    accessMode: { mode: 7 },
  };
  const { fstype, source, options } = volumeOf(csi.volumeAttributes, capability);
  const asker = ['--asker', `inline:${metadata.namespace}`];
  const request = toMountRequest(
    parseMountArguments([...asker, '-t', fstype, '-o', options.join(), source, target]),
  );
  t.throws(() => planOf(request, manifest), { message: /inline in a Pod/ });
  const rules = /\{.*\}$/.exec(example?.comments.spec ?? '')?.[0] ?? '';
  const shipped = { path: 'shipped', text: shippedText };
  const ruled = effectiveManifest(shipped, { path: 'own', text: rules });
  t.is(planOf(request, ruled).source, source);
  const claimed = ['--asker', 'pod:team', '-t', 'glusterfs', 'gluster-1.example:data', target];
  t.is(planOf(toMountRequest(parseMountArguments(claimed)), ruled).source, 'gluster-1.example:data');
});
