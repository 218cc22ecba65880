// Tells the API which storage drivers this node has: the CSINode object, and the Node's annotation and topology labels.
import type { ApiClient } from '../../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../kube/errors.ts';
import { csiNodes, nodes } from '../../../kube/resources.ts';
import type { CSINode, Node } from '../../../kube/types.ts';

export interface DriverFacts {
  readonly name: string;
  readonly nodeId: string;
  /** 0: the driver knows no bound. */
  readonly maxVolumes: number;
  readonly topology: Readonly<Record<string, string>>;
}

const annotation = 'csi.volume.kubernetes.io/nodeid';
const migratedAnnotation = 'storage.alpha.kubernetes.io/migrated-plugins';
/** Volumes of these are handled by the drivers that took over from them. */
const migrated = ['aws-ebs', 'azure-disk', 'azure-file', 'cinder', 'gce-pd', 'portworx-volume', 'vsphere-volume']
  .map((name) => `kubernetes.io/${name}`)
  .join(',');
const tries = 6;

type Drivers = NonNullable<NonNullable<CSINode['spec']>['drivers']>;

/** Adds or replaces one driver. Repeatable. Throws `ApiError`. */
export async function addDriver(client: ApiClient, nodeName: string, facts: DriverFacts, signal: AbortSignal) {
  const { name, nodeId, maxVolumes, topology } = facts;
  const node = await client.get(nodes, { name: nodeName }, signal);
  const ids = { ...readIds(node), [name]: nodeId };
  const metadata = { annotations: { [annotation]: JSON.stringify(ids) }, labels: topology };
  await client.patch(nodes, { name: nodeName }, { type: 'merge', body: { metadata } }, signal);
  const driver = {
    name,
    nodeID: nodeId,
    topologyKeys: Object.keys(topology),
    ...(maxVolumes > 0 ? { allocatable: { count: maxVolumes } } : {}),
  };
  await changeDrivers(client, node, (drivers) => [...drivers.filter((one) => one.name !== name), driver], signal);
}

/** Takes a driver away that is not here any more. Repeatable. Throws `ApiError`. */
export async function removeDriver(client: ApiClient, nodeName: string, name: string, signal: AbortSignal) {
  const node = await client.get(nodes, { name: nodeName }, signal);
  const { [name]: _, ...ids } = readIds(node);
  const text = Object.keys(ids).length === 0 ? null : JSON.stringify(ids);
  const body = { metadata: { annotations: { [annotation]: text } } };
  await client.patch(nodes, { name: nodeName }, { type: 'merge', body }, signal);
  await changeDrivers(client, node, (drivers) => drivers.filter((driver) => driver.name !== name), signal);
}

/** Makes the CSINode object where there is none: schedulers count volumes by it. */
export async function ensureCsiNode(client: ApiClient, nodeName: string, signal: AbortSignal): Promise<void> {
  const node = await client.get(nodes, { name: nodeName }, signal);
  await changeDrivers(client, node, (drivers) => drivers, signal);
}

function readIds({ metadata }: Node): Record<string, string> {
  try {
    return JSON.parse(metadata.annotations?.[annotation] ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}

async function changeDrivers(
  client: ApiClient,
  node: Node,
  change: (drivers: Drivers) => Drivers,
  signal: AbortSignal,
): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      return await changeOnce(client, node, change, signal);
    } catch (error) {
      // Somebody else was faster: look again.
      if (left === 1 || !(isConflict(error) || isAlreadyExists(error) || isNotFound(error))) throw error;
    }
  }
}

async function changeOnce(
  client: ApiClient,
  { metadata: { name, uid } }: Node,
  change: (drivers: Drivers) => Drivers,
  signal: AbortSignal,
): Promise<void> {
  const annotations = { [migratedAnnotation]: migrated };
  const found = await client.get(csiNodes, { name }, signal).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const before = found?.spec?.drivers ?? [];
  const drivers = change(before);
  if (!found) {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, ...(uid ? { uid } : { uid: '' }) }];
    const metadata = { name, annotations, ownerReferences };
    await client.create(
      csiNodes,
      { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata, spec: { drivers } },
      signal,
    );
  } else if (JSON.stringify(before) !== JSON.stringify(drivers)) {
    await client.update(csiNodes, { ...found, spec: { ...found.spec, drivers } }, undefined, signal);
  }
}
