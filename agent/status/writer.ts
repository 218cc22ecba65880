// Writes pod statuses to the API: only the newest of each pod, only the difference, and the last DELETE of a pod that is over.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { pods } from '../../kube/resources.ts';
import type { Pod, PodStatus } from '../../kube/types.ts';
import type { DesiredPod } from '../model.ts';
import { mergeStatus, statusPatch } from './rules/patch.ts';
import { isTerminal } from './rules/phase.ts';
import { isSame } from './rules/same.ts';
import { resurrected } from './rules/transition.ts';

export interface StatusWriter {
  /** Says what a pod's status is now; written soon, and repaired when somebody else changes it. */
  publish(desired: DesiredPod, status: PodStatus): void;
  /** What was published last. */
  published(uid: string): PodStatus | undefined;
  /** Nothing of the pod runs or is mounted any more: once the API has its terminal phase the pod may be deleted there. */
  markTerminated(uid: string): void;
  /** The pod is gone from the API; nothing is written about it any more. */
  forget(uid: string): void;
  /** Writes until `signal` ends. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface StatusWriterParts {
  readonly client: ApiClient;
  readonly log: Log;
  readonly clock: Clock;
  /** The agent's own copy of a pod in the API, as its watch delivered it. */
  readonly apiPod: (namespace: string, name: string) => Pod | undefined;
}

interface Entry {
  desired: DesiredPod;
  status: PodStatus;
  isTerminated: boolean;
  /** The API has taken `status` as it is now. */
  isWritten: boolean;
  /** The API has been told to delete it, or does not have it. */
  isGone: boolean;
  /** The API's answer to the last write. */
  answer: Pod | undefined;
}

const reconcileMs = 10_000;
const writers = 4;

/** Resource versions are numbers that grow (KEP-5504). */
function newest(a: Pod | undefined, b: Pod | undefined): Pod | undefined {
  if (!a || !b || a.metadata.uid !== b.metadata.uid) return b ?? a;
  return Number(a.metadata.resourceVersion) > Number(b.metadata.resourceVersion) ? a : b;
}

/** A static pod's status is written to its mirror: the API object that carries the static pod's hash. */
function isApiCopyOf(desired: DesiredPod, api: Pod): boolean {
  if (desired.source === 'api') return api.metadata.uid === desired.uid;
  const mirrored = api.metadata.annotations?.['kubernetes.io/config.mirror'];
  return mirrored !== undefined && mirrored === desired.pod.metadata.annotations?.['kubernetes.io/config.hash'];
}

export function createStatusWriter({ client, log, clock, apiPod }: StatusWriterParts): StatusWriter {
  const entries = new Map<string, Entry>();
  const due = new Set<string>();
  const busy = new Set<string>();
  let wake = Promise.withResolvers<void>();

  function wakeAll(): void {
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function enqueue(uid: string): void {
    due.add(uid);
    wakeAll();
  }

  const nameOf = ({ pod }: DesiredPod): string => `${pod.metadata.namespace}/${pod.metadata.name}`;

  function copyOf({ desired, answer }: Entry): Pod | undefined {
    const { namespace, name } = desired.pod.metadata;
    const watched = apiPod(namespace, name);
    return newest(answer, watched && isApiCopyOf(desired, watched) ? watched : undefined);
  }

  /** The agent's copy, else a look at the API. Undefined where there is no such pod (any more). */
  async function findApiPod(entry: Entry, signal: AbortSignal): Promise<Pod | undefined> {
    const copy = copyOf(entry);
    // A node may not read a mirror that is not there yet; the watch tells when it is.
    if (copy || entry.desired.source !== 'api') return copy;
    const { namespace, name } = entry.desired.pod.metadata;
    try {
      const found = await client.get(pods, { namespace, name }, signal);
      return isApiCopyOf(entry.desired, found) ? found : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function write(entry: Entry, api: Pod, signal: AbortSignal): Promise<Pod> {
    const { status, isTerminated } = entry;
    const patch = statusPatch(api.status ?? {}, mergeStatus(api.status ?? {}, status, isTerminated));
    const { name, namespace, uid } = api.metadata;
    if (patch && !isAnswered(entry, api)) {
      const body = { metadata: { uid }, status: patch };
      entry.answer = await client.patch(
        pods,
        { namespace, name },
        { type: 'strategic', body, subresource: 'status' },
        signal,
      );
    } else entry.answer = api;
    if (entry.status === status && entry.isTerminated === isTerminated) entry.isWritten = true;
    return entry.answer;
  }

  /** A server that drops a field we sent (an older one) would make us send it for ever. */
  const isAnswered = ({ isWritten, answer }: Entry, api: Pod): boolean =>
    isWritten && answer !== undefined && isSame(answer.status, api.status);

  function mayDelete({ desired, isTerminated, isGone }: Entry, api: Pod | undefined): boolean {
    if (!isTerminated || isGone || desired.source !== 'api') return false;
    const isDeleting = desired.pod.metadata.deletionTimestamp ?? api?.metadata.deletionTimestamp;
    return isDeleting !== undefined && isTerminal(api?.status?.phase);
  }

  async function finalise(entry: Entry, api: Pod, signal: AbortSignal): Promise<void> {
    const { name, namespace, uid } = api.metadata;
    await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } }, signal);
    entry.isGone = true;
    log.info({ pod: nameOf(entry.desired), podUid: uid }, 'Pod finalised');
  }

  async function sync(entry: Entry, signal: AbortSignal): Promise<void> {
    try {
      const api = await findApiPod(entry, signal);
      if (!api) {
        // A mirror pod may come (back); a pod of the API with this UID will not.
        entry.isGone = entry.desired.source === 'api';
        return;
      }
      const answer = await write(entry, api, signal);
      if (mayDelete(entry, answer)) await finalise(entry, answer, signal);
    } catch (error) {
      // A conflict is another UID under this name, or a busy server: the next look tells.
      if (!isNotFound(error)) throw error;
      entry.isGone = entry.desired.source === 'api';
      entry.answer = undefined;
    }
  }

  async function work(signal: AbortSignal, ended: Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const uid = [...due].find((candidate) => !busy.has(candidate));
      if (uid === undefined) {
        await Promise.race([wake.promise, ended]);
        continue;
      }
      due.delete(uid);
      const entry = entries.get(uid);
      if (!entry || entry.isGone) continue;
      busy.add(uid);
      try {
        await sync(entry, signal);
      } catch (err) {
        // Tried again at the next reconciliation.
        entry.answer = undefined;
        if (!signal.aborted) log.warn({ err, pod: nameOf(entry.desired), podUid: uid }, 'Pod status not written');
      } finally {
        busy.delete(uid);
        wakeAll();
      }
    }
  }

  function needsWork(entry: Entry): boolean {
    if (entry.isGone) return false;
    const api = copyOf(entry);
    if (!entry.isWritten || mayDelete(entry, api)) return true;
    return api !== undefined && !isSame(api.status, entry.answer?.status);
  }

  async function reconcile(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(reconcileMs, signal).catch(() => {});
      if (signal.aborted) return;
      for (const [uid, entry] of entries) if (needsWork(entry)) due.add(uid);
      wakeAll();
    }
  }

  return {
    publish: (desired, status) => {
      const { uid } = desired;
      const entry = entries.get(uid);
      if (!entry) {
        const fresh = { desired, status, isTerminated: false, isWritten: false, isGone: false, answer: undefined };
        entries.set(uid, fresh);
        return enqueue(uid);
      }
      const container = resurrected(desired.pod, entry.status, status);
      if (container !== undefined) {
        log.error(
          { pod: nameOf(desired), podUid: uid, container },
          'Pod status refused: a container that has ended for good is alive',
        );
        return;
      }
      entry.desired = desired;
      if (isSame(entry.status, status)) return needsWork(entry) ? enqueue(uid) : undefined;
      entry.status = status;
      entry.isWritten = false;
      enqueue(uid);
    },
    published: (uid) => entries.get(uid)?.status,
    markTerminated: (uid) => {
      const entry = entries.get(uid);
      if (!entry || entry.isTerminated) return;
      entry.isTerminated = true;
      entry.isWritten = false;
      enqueue(uid);
    },
    forget: (uid) => {
      entries.delete(uid);
      due.delete(uid);
    },
    run: async (signal) => {
      const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.all([reconcile(signal), ...Array.from({ length: writers }, () => work(signal, ended))]);
    },
  };
}
