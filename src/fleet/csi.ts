import type { CommentedDocument } from './yaml.ts';

/** What a cluster is told of the CSI driver, and volumes to begin with. */

/** As kubelet and the scheduler are to treat its volumes: nothing is attached, and files keep their owners. */
export function csiDriverDocument(
  driver: string,
  labels: Readonly<Record<string, string>>,
): CommentedDocument {
  return {
    content: {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: driver, labels },
      spec: {
        attachRequired: false,
        podInfoOnMount: true,
        fsGroupPolicy: 'File',
        volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      },
    },
    comments: {
      'spec.attachRequired': 'A volume of a server is attached to no node.',
      'spec.podInfoOnMount':
        'Rules of policy.sources may be for namespaces: by this kubelet says which one a Pod is in.',
      'spec.fsGroupPolicy': 'kubelet sets the group of its files where a Pod asks for an fsGroup.',
      'spec.volumeLifecycleModes':
        'Ephemeral: inline in a Pod, where a rule of policy.sources has "inline": true, and refused elsewhere.\nNobody may change this list: delete a CSIDriver that has another one, and apply this.',
    },
  };
}

interface Example {
  readonly name: string;
  readonly comment: string;
  readonly driver: string;
  readonly volumeHandle: string;
  readonly volumeAttributes: Readonly<Record<string, string>>;
  readonly mountOptions: readonly string[];
}

/** Volumes that exist, each with a claim, a Pod that uses the first, and one with a volume inline; see `mounter csi --help`. */
export function exampleDocuments(driver: string): readonly CommentedDocument[] {
  const examples: readonly Example[] = [
    {
      name: 'nfs-example',
      comment:
        'An NFS export. Its attributes are those of csi-driver-nfs, whose PVs work as they are where --driver names it too.',
      driver,
      volumeHandle: 'nfs.example#exports/data',
      volumeAttributes: { server: 'nfs.example', share: '/exports/data' },
      mountOptions: ['nfsvers=4.2'],
    },
    {
      name: 'glusterfs-example',
      comment:
        "A GlusterFS volume. In place of the Endpoints of kubelet's former plugin: its servers, with commas.",
      driver,
      volumeHandle: 'gluster-1.example/data',
      volumeAttributes: { type: 'glusterfs', server: 'gluster-1.example,gluster-2.example', volume: 'data' },
      mountOptions: [],
    },
  ];
  const [first] = examples;
  const claimName = first?.name ?? '';
  return [
    ...examples.flatMap((example) => [volumeOf(example), claimOf(example)]),
    podOf(`${claimName}-pod`, { persistentVolumeClaim: { claimName } }, {}),
    podOf('inline-example-pod', inlineOf(driver), {
      spec: `A volume without a claim. It is refused unless a rule of the nodes' settings allows it, as the first of these
does. Where there are rules, nothing else is mounted: the second allows all volumes that have a claim.\n${inlineRules}`,
    }),
  ];
}

function inlineOf(driver: string): object {
  const volumeAttributes = { server: 'nfs.example', share: '/exports/scratch', mountOptions: 'nfsvers=4.2' };
  return { csi: { driver, volumeAttributes } };
}

const inlineRules = JSON.stringify({
  policy: {
    sources: [
      { server: 'nfs.example', path: '/exports/scratch', namespaces: ['default'], inline: true },
      { types: ['nfs', 'nfs4', 'glusterfs'] },
    ],
  },
});

const size = { storage: '1Gi' } as const;
const namespace = 'default';

function volumeOf(example: Example): CommentedDocument {
  const { name, driver, volumeHandle, volumeAttributes, mountOptions } = example;
  return {
    content: {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        capacity: size,
        accessModes: ['ReadWriteMany'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: '',
        claimRef: { namespace, name },
        ...(mountOptions.length === 0 ? {} : { mountOptions }),
        csi: { driver, volumeHandle, volumeAttributes },
      },
    },
    comments: {
      spec: example.comment,
      'spec.capacity': 'Kubernetes wants one, and nobody reads it.',
      'spec.csi.volumeHandle': 'Any name, of this volume alone.',
    },
  };
}

function claimOf({ name }: Example): CommentedDocument {
  const spec = {
    accessModes: ['ReadWriteMany'],
    storageClassName: '',
    volumeName: name,
    resources: { requests: size },
  };
  return {
    content: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace }, spec },
    comments: {},
  };
}

function podOf(name: string, volume: object, comments: CommentedDocument['comments']): CommentedDocument {
  const spec = {
    containers: [
      {
        name: 'shell',
        image: 'docker.io/library/busybox:stable',
        command: ['sh', '-c', 'ls -l /data; sleep infinity'],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
    volumes: [{ name: 'data', ...volume }],
  };
  return { content: { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec }, comments };
}
