import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { isOnLocalFilesystem } from '../../../src/node/local-filesystem.ts';
import { HostModel } from '../../support/model/host-model.ts';

const entries = parseMountinfo(`22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:30 / /var/log rw - tmpfs tmpfs rw
24 22 0:31 / /nfs rw - nfs4 srv:/x rw
25 24 0:32 / /nfs/local rw - tmpfs tmpfs rw
26 22 0:33 / /fuse rw - fuse.glusterfs srv:v rw
`);

for (const [path, isLocal] of [
  ['/var/log/containerized-mounter/mounter.log', true],
  ['/mounter.log', true],
  ['/nfs/mounter.log', false],
  ['/nfs', false],
  ['/nfs/local/mounter.log', false],
  ['/fuse/mounter.log', false],
  ['/var/linked/mounter.log', false],
] as const) {
  test(`${path} is ${isLocal ? 'on a filesystem of the node' : 'not known to be local'}`, (t) => {
    const host = new HostModel().directory('/var', '/var/log').file('/var/linked', { kind: 'symlink' });
    t.is(isOnLocalFilesystem(host, path, entries), isLocal);
  });
}
