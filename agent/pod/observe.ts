// Looks at what the engine has of our pods. Containers that have ended never change: they are read once.
import type { ContainerDetail, ContainerSummary, Engine } from '../docker/engine.ts';
import { isNotFound } from '../docker/engine.ts';
import { type Identity, identityOf, labels, type PodIdentity } from '../docker/labels.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox, PodNetwork } from '../model.ts';

export interface ObserveParts {
  readonly engine: Engine;
  readonly network: PodNetwork;
  readonly nodeName: string;
  /** What an ended container had to say. */
  lastWords(
    ended: ContainerDetail,
    pod: PodIdentity,
    container: string,
    restartCount: number,
    signal: AbortSignal,
  ): Promise<string>;
}

export interface Observer {
  observe(uid: string, signal: AbortSignal): Promise<ObservedPod>;
  /** All pods that the engine has anything of, with the state of their parts as a text that changes when they do. */
  relist(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

type Sandbox = Extract<Identity, { type: 'sandbox' }>;
type Container = Extract<Identity, { type: 'container' }>;

export function createObserver({ engine, network, nodeName, lastWords }: ObserveParts): Observer {
  const ended = new Map<string, ObservedContainer>();

  /** Undefined: it went between the list and the look. */
  async function inspect(id: string, signal: AbortSignal): Promise<ContainerDetail | undefined> {
    try {
      return await engine.inspectContainer(id, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function sandboxOf(
    id: string,
    { attempt }: Sandbox,
    signal: AbortSignal,
  ): Promise<ObservedSandbox | undefined> {
    const detail = await inspect(id, signal);
    if (!detail) return undefined;
    const hostNetwork = detail.networkMode === 'host';
    return {
      id,
      attempt,
      phase: detail.phase,
      createdAtMs: detail.createdAtMs,
      pid: detail.pid,
      hostNetwork,
      ips: hostNetwork ? [] : await network.addresses(id),
    };
  }

  async function containerOf(
    id: string,
    identity: Container,
    signal: AbortSignal,
  ): Promise<ObservedContainer | undefined> {
    const known = ended.get(id);
    if (known) return known;
    const detail = await inspect(id, signal);
    if (!detail) return undefined;
    const { pod, container: name, restartCount, sandboxId } = identity;
    const isEnded = detail.phase === 'exited';
    const backOff = Number(detail.labels[labels.backOff] ?? Number.NaN);
    const observed: ObservedContainer = {
      id,
      name,
      sandboxId,
      restartCount,
      phase: detail.phase,
      createdAtMs: detail.createdAtMs,
      startedAtMs: detail.startedAtMs,
      finishedAtMs: detail.finishedAtMs,
      exitCode: detail.exitCode,
      oomKilled: detail.oomKilled,
      error: detail.error,
      image: detail.labels[labels.image] ?? detail.image,
      imageId: detail.imageId,
      specHash: detail.labels[labels.hash] ?? '',
      pid: detail.pid,
      terminationMessage: isEnded ? await lastWords(detail, pod, name, restartCount, signal) : '',
      resources: detail.resources,
      ...(detail.recursivelyReadOnly ? { recursivelyReadOnly: detail.recursivelyReadOnly } : {}),
      ...(Number.isFinite(backOff) ? { backOffSeconds: backOff } : {}),
    };
    if (isEnded) ended.set(id, observed);
    return observed;
  }

  const list = async (wanted: Record<string, string>, signal: AbortSignal): Promise<[ContainerSummary, Identity][]> => {
    const found = await engine.listContainers({ ...wanted, [labels.node]: nodeName }, signal);
    return found.flatMap((summary): [ContainerSummary, Identity][] => {
      const identity = identityOf(summary);
      return identity ? [[summary, identity]] : [];
    });
  };

  return {
    observe: async (uid, signal) => {
      const found = await list({ [labels.podUid]: uid }, signal);
      const looks = found.map(async ([{ id }, identity]) =>
        identity.type === 'sandbox'
          ? { sandbox: await sandboxOf(id, identity, signal) }
          : { container: await containerOf(id, identity, signal) },
      );
      const seen = await Promise.all(looks);
      const [first] = found;
      return {
        uid,
        name: first?.[1].pod.name ?? '',
        namespace: first?.[1].pod.namespace ?? '',
        sandboxes: seen.flatMap(({ sandbox }) => (sandbox ? [sandbox] : [])).sort(newestSandbox),
        containers: seen.flatMap(({ container }) => (container ? [container] : [])).sort(newestContainer),
      };
    },

    relist: async (signal) => {
      const pods = new Map<string, string[]>();
      const present = new Set<string>();
      for (const [{ id, phase }, { pod }] of await list({ [labels.podUid]: '' }, signal)) {
        present.add(id);
        const parts = pods.get(pod.uid) ?? [];
        pods.set(pod.uid, parts);
        parts.push(`${id}:${phase}`);
      }
      for (const id of ended.keys()) if (!present.has(id)) ended.delete(id);
      return new Map([...pods].map(([uid, parts]) => [uid, parts.sort().join(' ')]));
    },
  };
}

const newestSandbox = (a: ObservedSandbox, b: ObservedSandbox): number =>
  b.attempt - a.attempt || b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1);

const newestContainer = (a: ObservedContainer, b: ObservedContainer): number =>
  a.name.localeCompare(b.name) || b.restartCount - a.restartCount || b.createdAtMs - a.createdAtMs;
