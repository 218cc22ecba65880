// Gives pods their nodes: takes the next waiting pod, decides, counts it there, binds it; one without a node waits for a change that could help.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { type Change, keyOf } from '../../kube/informer.ts';
import {
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  type Resource,
} from '../../kube/resources.ts';
import type { KubeObject, Node, Pod } from '../../kube/types.ts';
import type { Cache } from '../cache.ts';
import type { EventRecorder } from '../events.ts';
import { createWorkQueue, type WorkQueue } from '../queue.ts';
import { claimsOf } from './claims.ts';
import type { Candidate } from './model.ts';
import { createNodeTable, type NodeTable } from './node-table.ts';
import { decide } from './rules/decide.ts';
import { podHostPorts, podRequests, presumedPodRequests } from './rules/requests.ts';
import { createWaitingRoom, type WaitingRoom } from './waiting-room.ts';

export interface SchedulerParts {
  readonly client: ApiClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the scheduler's cache must hold. */
export const schedulerHolds: readonly Resource<KubeObject>[] = [
  pods,
  nodes,
  namespaces,
  persistentVolumes,
  persistentVolumeClaims,
];

const schedulerName = 'default-scheduler';
const mostBindings = 64;

interface Running extends SchedulerParts {
  readonly queue: WorkQueue;
  readonly waiting: WaitingRoom;
  readonly table: NodeTable;
  readonly signal: AbortSignal;
}

/** Works until `signal` ends and the bindings under way are through. Call it before the cache runs, so that no change is missed. */
export async function runScheduler(parts: SchedulerParts, signal: AbortSignal): Promise<void> {
  const { cache, clock } = parts;
  const priority = (key: string): number => cache.view.get(pods, key)?.spec.priority ?? 0;
  const queue = createWorkQueue({ clock, signal, rank: priority });
  const running = { ...parts, queue, waiting: createWaitingRoom(queue, clock), table: createNodeTable(cache), signal };
  const stop = listen(running);
  const synced = cache.synced.then(() => true);
  const ended = new Promise<boolean>((resolve) =>
    signal.addEventListener('abort', () => resolve(false), { once: true }),
  );
  try {
    if (!signal.aborted && (await Promise.race([synced, ended]))) await work(running);
  } finally {
    stop();
  }
}

function listen({ cache, queue, waiting }: Running): () => void {
  const looksAtPods = (key: string): boolean => {
    const { affinity, topologySpreadConstraints } = cache.view.get(pods, key)?.spec ?? {};
    return Boolean(affinity?.podAffinity || affinity?.podAntiAffinity || topologySpreadConstraints?.length);
  };
  const stops = [
    cache.subscribe(pods, (change) => {
      const pod = change.object as Pod;
      const key = keyOf(pod);
      if (change.kind === 'deleted') waiting.leave(key);
      else if (wantsNode(pod) && mayDecideDifferently(change as Change<Pod>)) queue.add(key);
      if (freesRoom(change as Change<Pod>)) waiting.callAll();
      else if (isNewNeighbour(change as Change<Pod>)) waiting.callAll(looksAtPods);
    }),
    cache.subscribe(nodes, (change) => {
      if (mayHelp(change as Change<Node>)) waiting.callAll();
    }),
    cache.subscribe(namespaces, () => waiting.callAll(looksAtPods)),
    cache.subscribe(persistentVolumes, () => waiting.callAll()),
    cache.subscribe(persistentVolumeClaims, () => waiting.callAll()),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function wantsNode({ metadata, spec, status }: Pod): boolean {
  const mine = (spec.schedulerName ?? schedulerName) === schedulerName;
  const over = status?.phase === 'Succeeded' || status?.phase === 'Failed' || metadata.deletionTimestamp !== undefined;
  return mine && !over && !spec.nodeName && !spec.schedulingGates?.length;
}

/** Our own note in a pod's status is no reason to think again. */
function mayDecideDifferently(change: Change<Pod>): boolean {
  if (change.kind !== 'updated') return true;
  return JSON.stringify(change.before.spec) !== JSON.stringify(change.object.spec);
}

function freesRoom(change: Change<Pod>): boolean {
  const ran = change.kind === 'updated' ? change.before : change.object;
  if (!ran.spec.nodeName || ran.status?.phase === 'Succeeded' || ran.status?.phase === 'Failed') return false;
  const { phase } = change.object.status ?? {};
  return change.kind === 'deleted' || phase === 'Succeeded' || phase === 'Failed';
}

/** A pod that came to a node, or changed its labels there, may be what another waits for. */
function isNewNeighbour(change: Change<Pod>): boolean {
  if (!change.object.spec.nodeName || change.kind === 'deleted') return false;
  const facts = ({ metadata, spec }: Pod): string => JSON.stringify([spec.nodeName, metadata.labels]);
  return change.kind !== 'updated' || facts(change.before) !== facts(change.object);
}

/** Heartbeats change nothing that a decision looks at. */
function mayHelp(change: Change<Node>): boolean {
  const facts = ({ metadata, spec, status }: Node): string =>
    JSON.stringify([metadata.labels, spec?.taints, spec?.unschedulable, status?.allocatable]);
  return change.kind !== 'updated' || facts(change.before) !== facts(change.object);
}

async function work(running: Running): Promise<void> {
  const { queue, signal, log } = running;
  const bindings = new Set<Promise<void>>();
  let turn = 0;
  for (let key = await queue.take(signal); key !== undefined; key = await queue.take(signal)) {
    const handled = schedule(running, key, turn++)
      .catch((err: unknown) => {
        if (signal.aborted) return;
        log.warn({ pod: key, err }, 'Pod not scheduled');
        running.waiting.enter(String(key));
        running.waiting.call(String(key));
      })
      .finally(() => bindings.delete(handled));
    queue.done(key);
    bindings.add(handled);
    if (bindings.size >= mostBindings) await Promise.race(bindings);
  }
  await Promise.all(bindings);
}

/** Decides before the first wait: the next pod is decided about with this one counted. */
async function schedule(running: Running, key: string, turn: number): Promise<void> {
  const { cache, table, waiting } = running;
  const pod = cache.view.get(pods, key);
  if (!pod || !wantsNode(pod) || table.isAssumed(key)) return;
  const candidate: Candidate = {
    pod,
    requests: podRequests(pod),
    presumed: presumedPodRequests(pod),
    hostPorts: podHostPorts(pod),
    priority: pod.spec.priority ?? 0,
    claims: claimsOf(pod, cache.view),
    namespaces: (name) => cache.view.get(namespaces, name)?.metadata.labels,
  };
  const decision = decide(candidate, table.infos(), turn);
  if (decision.do === 'Wait') {
    waiting.enter(key);
    await explain(running, pod, decision.message);
    return;
  }
  table.assume(pod, decision.nodeName);
  try {
    await bind(running, pod, decision.nodeName);
    waiting.leave(key);
  } catch (error) {
    table.forget(pod);
    // Somebody else bound it, or it is gone: either way the cache will show it.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}

async function bind({ client, events, log }: Running, pod: Pod, nodeName: string): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
  // Not cancelled by a stop: an answer that nobody reads leaves the pod bound all the same.
  await client.post(pods, { namespace, name }, 'binding', binding);
  const message = `Successfully assigned ${keyOf(pod)} to ${nodeName}`;
  events.say({ about: pod, type: 'Normal', reason: 'Scheduled', message, action: 'Binding' });
  log.debug({ pod: keyOf(pod), node: nodeName }, 'Pod scheduled');
}

async function explain({ client, events, clock, signal }: Running, pod: Pod, message: string): Promise<void> {
  events.say({ about: pod, type: 'Warning', reason: 'FailedScheduling', message, action: 'Scheduling' });
  const known = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (known?.status === 'False' && known.reason === 'Unschedulable' && known.message === message) return;
  const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const lastTransitionTime = known?.status === 'False' && known.lastTransitionTime ? known.lastTransitionTime : now;
  const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime };
  const { name, namespace, uid } = pod.metadata;
  const body = { metadata: { uid }, status: { conditions: [condition] } };
  try {
    await client.patch(pods, { namespace, name }, { type: 'strategic', subresource: 'status', body }, signal);
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
