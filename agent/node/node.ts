// This machine as a Node object: registered, reported on change and every few minutes, made again when somebody deletes it.
import { arch } from 'node:os';
import { isAlreadyExists, isForbidden, isNotFound } from '../../kube/errors.ts';
import { type Change, createInformer } from '../../kube/informer.ts';
import { nodes } from '../../kube/resources.ts';
import type { Node, NodeStatus } from '../../kube/types.ts';
import { keepLease } from './lease.ts';
import type { NodeParts } from './model.ts';
import { createObserver } from './observe.ts';
import { conditionEvents } from './rules/conditions.ts';
import { architectureOf, defaultLabels, forbiddenLabels } from './rules/labels.ts';
import { adoptionPatch, type NodeIdentity, newNode, statusBody, statusChanges } from './rules/object.ts';
import { isReportDue } from './rules/report.ts';

export type { NodeConfig, NodeParts } from './model.ts';

export interface NodeAgent {
  /** Registers, reports and renews until `signal` ends. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** The Node as the API has it; undefined while it is not known. */
  node(): Node | undefined;
  /** The node's addresses, primary first, one per family. */
  hostIps(): readonly string[];
  /** What the machine has: "cpu", "memory", "pods", "ephemeral-storage", hugepages. */
  capacity(): Readonly<Record<string, string>>;
  /** Looks and reports now: something that the Ready condition depends on has changed. */
  poke(): void;
}

const firstPauseMs = 100;
const lastPauseMs = 7000;
/** A new node is looked at this often, until it is ready or this time has passed. */
const fastEveryMs = 100;
const fastForMs = 120_000;

function newest(a: Node | undefined, b: Node | undefined): Node | undefined {
  if (!a || !b || a.metadata.uid !== b.metadata.uid) return b ?? a;
  return Number(a.metadata.resourceVersion) > Number(b.metadata.resourceVersion) ? a : b;
}

const isReady = ({ conditions }: NodeStatus): boolean =>
  conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** Reads the machine. Throws a RangeError where the configuration asks for what it does not have or may not do. */
export async function createNode(parts: NodeParts): Promise<NodeAgent> {
  const { config, client, events, clock, log, random = Math.random } = parts;
  const { nodeName } = config;
  const forbidden = forbiddenLabels(config.labels);
  if (forbidden.length > 0)
    throw new RangeError(
      `Cannot set node labels "${forbidden.join('", "')}": of kubernetes.io and k8s.io a node may only set kubelet.kubernetes.io/* and node.kubernetes.io/*`,
    );
  const observer = await createObserver(parts);
  const informer = createInformer(client, nodes, {
    select: { fieldSelector: `metadata.name=${nodeName}` },
    onError: (err) => log.warn({ err }, 'Node not watched'),
  });
  const identity: NodeIdentity = {
    nodeName,
    labels: { ...defaultLabels(nodeName, architectureOf(arch())), ...config.labels },
    taints: config.taints,
    providerId: config.providerId,
  };
  let answer: Node | undefined;
  let reportedMs: number | undefined;
  let jitter = 0;
  let poked = Promise.withResolvers<void>();

  const current = (): Node | undefined => newest(answer, informer.get(nodeName));

  function poke(): void {
    poked.resolve();
    poked = Promise.withResolvers();
  }

  function tell(before: NodeStatus, after: NodeStatus): void {
    const bootId = after.nodeInfo?.bootID;
    if (before.nodeInfo?.bootID && before.nodeInfo.bootID !== bootId)
      events.node({
        type: 'Warning',
        reason: 'Rebooted',
        message: `Node ${nodeName} has been rebooted, boot id: ${bootId}`,
      });
    for (const event of conditionEvents(nodeName, before.conditions ?? [], after.conditions ?? [])) events.node(event);
  }

  async function create(signal: AbortSignal): Promise<void> {
    const status = await observer.status({});
    answer = await client.create(nodes, newNode(identity, status), signal);
    log.info({ node: nodeName }, 'Node registered');
    tell({}, status);
    reportedMs = clock.now();
  }

  /** Somebody, perhaps this agent before a restart, has made it: add what we need, leave what is theirs. */
  async function adopt(signal: AbortSignal): Promise<void> {
    const found = await client.get(nodes, { name: nodeName }, signal);
    const body = adoptionPatch(found, identity);
    answer = body
      ? await client.patch(nodes, { name: nodeName }, { type: 'strategic', body, subresource: 'status' }, signal)
      : found;
  }

  async function register(signal: AbortSignal): Promise<void> {
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
      try {
        return await create(signal).catch((error) => {
          if (!isAlreadyExists(error) && !isForbidden(error)) throw error;
          return adopt(signal);
        });
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ err, node: nodeName }, 'Node not registered');
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    }
  }

  async function report(api: Node, signal: AbortSignal): Promise<NodeStatus> {
    const before = api.status ?? {};
    const status = await observer.status(before);
    const changes = statusChanges(before, status);
    const plan = { reportEveryMs: config.statusReportMs, jitter };
    if (!changes && !isReportDue(reportedMs, clock.now(), plan)) return status;
    const body = statusBody(changes, status);
    answer = await client.patch(nodes, { name: nodeName }, { type: 'strategic', body, subresource: 'status' }, signal);
    reportedMs = clock.now();
    jitter = changes ? random() * 2 - 1 : 0;
    tell(before, status);
    return status;
  }

  /** True when the node is ready and the API knows. */
  async function update(signal: AbortSignal): Promise<boolean> {
    if (!current() && config.registerNode) await register(signal);
    const api = current();
    if (!api) return false;
    try {
      return isReady(await report(api, signal));
    } catch (err) {
      if (isNotFound(err)) answer = undefined;
      if (!signal.aborted) log.warn({ err, node: nodeName }, 'Node status not reported');
      return false;
    }
  }

  async function keepReporting(signal: AbortSignal): Promise<void> {
    const fastUntilMs = clock.now() + fastForMs;
    let isFast = true;
    while (!signal.aborted) {
      const woken = poked.promise;
      const ready = await update(signal);
      isFast &&= !ready && clock.now() < fastUntilMs;
      const pauseMs = isFast ? fastEveryMs : config.statusUpdateMs * (1 + 0.04 * random());
      const stop = new AbortController();
      const pause = clock.sleep(pauseMs, AbortSignal.any([signal, stop.signal])).catch(() => {});
      await Promise.race([pause, woken]);
      stop.abort();
    }
  }

  function notice(change: Change<Node>): void {
    if (change.kind === 'deleted') {
      if (change.object.metadata.uid === answer?.metadata.uid) answer = undefined;
      log.warn({ node: nodeName }, 'Node deleted by somebody');
      poke();
      return;
    }
    if (change.kind !== 'updated') return;
    const isClosed = change.object.spec?.unschedulable ?? false;
    if ((change.before.spec?.unschedulable ?? false) !== isClosed) {
      const reason = isClosed ? 'NodeNotSchedulable' : 'NodeSchedulable';
      events.node({ type: 'Normal', reason, message: `Node ${nodeName} status is now: ${reason}` });
    }
    // Our own writes come back here too, and change nothing.
    if (statusChanges(answer?.status ?? {}, change.object.status ?? {})) poke();
  }

  return {
    node: current,
    hostIps: observer.hostIps,
    capacity: observer.capacity,
    poke,
    run: async (signal) => {
      informer.subscribe(notice);
      const lease = { client, clock, log, nodeName, leaseSeconds: config.leaseSeconds, node: current, random };
      await Promise.all([informer.run(signal), keepReporting(signal), keepLease(lease, signal)]);
    },
  };
}
