// What is said to storage drivers and their registrars: the numbers are those of the CSI specification v1 and of the kubelet's
// plugin registration v1.
import type { Shape } from '../rules/protobuf.ts';

export interface Method<Q extends Shape, A extends Shape> {
  readonly path: string;
  readonly request: Q;
  readonly answer: A;
}

const method = <Q extends Shape, A extends Shape>(path: string, request: Q, answer: A): Method<Q, A> => ({
  path,
  request,
  answer,
});

const capability = {
  block: [1, { one: {} }],
  mount: [2, { one: { fsType: [1, 'string'], mountFlags: [2, 'strings'], volumeMountGroup: [3, 'string'] } }],
  accessMode: [3, { one: { mode: [1, 'int'] } }],
} as const;

export const nodeCapabilities = { stageUnstage: 1, singleNodeMultiWriter: 5, volumeMountGroup: 6 } as const;

export const getInfo = method('/pluginregistration.Registration/GetInfo', {}, {
  type: [1, 'string'],
  name: [2, 'string'],
  endpoint: [3, 'string'],
  supportedVersions: [4, 'strings'],
} as const);

export const notifyRegistrationStatus = method(
  '/pluginregistration.Registration/NotifyRegistrationStatus',
  { pluginRegistered: [1, 'bool'], error: [2, 'string'] } as const,
  {},
);

export const nodeGetInfo = method('/csi.v1.Node/NodeGetInfo', {}, {
  nodeId: [1, 'string'],
  maxVolumesPerNode: [2, 'int'],
  accessibleTopology: [3, { one: { segments: [1, 'map'] } }],
} as const);

export const nodeGetCapabilities = method('/csi.v1.Node/NodeGetCapabilities', {}, {
  capabilities: [1, { many: { rpc: [1, { one: { type: [1, 'int'] } }] } }],
} as const);

export const nodeStageVolume = method(
  '/csi.v1.Node/NodeStageVolume',
  {
    volumeId: [1, 'string'],
    publishContext: [2, 'map'],
    stagingTargetPath: [3, 'string'],
    volumeCapability: [4, { one: capability }],
    secrets: [5, 'map'],
    volumeContext: [6, 'map'],
  } as const,
  {},
);

export const nodeUnstageVolume = method(
  '/csi.v1.Node/NodeUnstageVolume',
  { volumeId: [1, 'string'], stagingTargetPath: [2, 'string'] } as const,
  {},
);

export const nodePublishVolume = method(
  '/csi.v1.Node/NodePublishVolume',
  {
    volumeId: [1, 'string'],
    publishContext: [2, 'map'],
    stagingTargetPath: [3, 'string'],
    targetPath: [4, 'string'],
    volumeCapability: [5, { one: capability }],
    readonly: [6, 'bool'],
    secrets: [7, 'map'],
    volumeContext: [8, 'map'],
  } as const,
  {},
);

export const nodeUnpublishVolume = method(
  '/csi.v1.Node/NodeUnpublishVolume',
  { volumeId: [1, 'string'], targetPath: [2, 'string'] } as const,
  {},
);
