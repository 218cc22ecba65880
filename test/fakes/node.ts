// A node without containers: says it is ready, starts every pod that it is given at once, and lets deleted ones go.
import type { ApiClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { createInformer } from '../../kube/informer.ts';
import { nodes, pods } from '../../kube/resources.ts';
import type { Node, Pod } from '../../kube/types.ts';

export interface FakeNode {
  /** How a pod stands once it was started; left out: it runs and is ready. */
  readonly play?: (pod: Pod) => 'Running' | 'NotReady' | 'Succeeded' | 'Failed' | 'Pending';
}

/** Lives until `signal` ends. */
export async function runFakeNode(
  client: ApiClient,
  name: string,
  signal: AbortSignal,
  { play = () => 'Running' }: FakeNode = {},
): Promise<void> {
  const allocatable = { cpu: '8', memory: '16Gi', pods: '110' };
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } } as Node, signal);
  const body = { status: { allocatable, capacity: allocatable, conditions: [ready] } };
  await client.patch(nodes, { name }, { type: 'strategic', subresource: 'status', body }, signal);
  const informer = createInformer(client, pods, { select: { fieldSelector: `spec.nodeName=${name}` } });
  let last = 0;
  informer.subscribe(({ kind, object }) => {
    if (kind === 'deleted') return;
    if (object.metadata.deletionTimestamp) remove(client, object).catch(ignoreGone);
    else if (object.status?.phase === 'Pending')
      start(client, object, play(object), `10.9.0.${++last % 250}`).catch(ignoreGone);
  });
  await informer.run(signal);
}

function ignoreGone(error: unknown): void {
  if (isNotFound(error) || isConflict(error)) return;
  if (error instanceof Error && error.name === 'AbortError') return;
}

async function remove(client: ApiClient, { metadata: { name, namespace, uid } }: Pod): Promise<void> {
  await client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
}

type Part = ReturnType<NonNullable<FakeNode['play']>>;

async function start(client: ApiClient, { metadata, spec }: Pod, part: Part, ip: string): Promise<void> {
  if (part === 'Pending') return;
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const running = part === 'Running' || part === 'NotReady';
  const ready = part === 'Running';
  const ended = {
    exitCode: part === 'Failed' ? 1 : 0,
    reason: part === 'Failed' ? 'Error' : 'Completed',
    finishedAt: now,
  };
  const status = {
    phase: running ? 'Running' : part,
    podIP: ip,
    podIPs: [{ ip }],
    startTime: now,
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now },
      { type: 'ContainersReady', status: ready ? 'True' : 'False', lastTransitionTime: now },
    ],
    containerStatuses: spec.containers.map(({ name, image }) => ({
      ...{ name, image, imageID: '', ready, restartCount: 0 },
      state: running ? { running: { startedAt: now } } : { terminated: ended },
    })),
  };
  const { name, namespace, uid } = metadata;
  const body = { metadata: { uid }, status };
  await client.patch(pods, { name, namespace }, { type: 'strategic', subresource: 'status', body });
}
