import test from 'ava';
import { clusterDns } from '../../../src/node-agent/settings.ts';

test("a Pod's name servers and domains, but for those of its own namespace", (t) => {
  const pod =
    'search kube-system.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n';
  t.deepEqual(clusterDns(pod), {
    nameservers: ['10.96.0.10', 'fd00::a'],
    searches: ['svc.cluster.local', 'cluster.local', 'corp.example'],
  });
});

test('what a manifest cannot have is left to the host', (t) => {
  for (const text of ['', 'search a.b\n', 'nameserver ten\n', 'nameserver 10.0.0.1\nsearch a b!\n'])
    t.is(clusterDns(text), undefined, text);
});
