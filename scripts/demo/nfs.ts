import { execa } from 'execa';
import { startNfsServer } from '../../test/support/guest/server.ts';

/**
 * The demo's NFS part, inside the test VM: a node with no NFS tools and no rpcbind, and a server that is
 * another machine as far as the node sees.
 */
const server = await startNfsServer({ name: 'demo', address: '10.9.0.1' });
const source = `${server.address}:/srv/vol1`;
const mounts = [...['nfs', 'hard,nfsvers=4.2', source], ...['nfs', 'hard,nfsvers=3', source]];
const node = ['sh', '/host/scripts/demo/node.sh', '/host/dist/mounter', '/host/dist/rootfs.tar.zst'];
const { exitCode } = await execa('unshare', ['--mount', '--propagation', 'private', ...node, ...mounts], {
  stdio: ['ignore', 'inherit', 'inherit'],
  reject: false,
});
await server.close();
process.exitCode = exitCode ?? 1;
