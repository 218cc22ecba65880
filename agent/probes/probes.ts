// All probes of all pods: workers that follow what runs, and the verdicts that they reach.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Engine } from '../docker/engine.ts';
import type { DesiredPod, EventSink, ObservedContainer, ObservedPod, ProbeVerdict } from '../model.ts';
import { probeExec } from './exec.ts';
import { probeGrpc } from './grpc.ts';
import { probeHttp } from './http.ts';
import type { Attempt, Finding, ProbeType } from './model.ts';
import { hadStarted, type Probed, periodMs, probedContainers, probeOf } from './rules/turn.ts';
import { probeTcp } from './tcp.ts';
import { createWorker, type ProbeResult, type Sight, type Worker } from './worker.ts';

export interface Probes {
  /** What the pod wants and what runs of it now: starts, pokes and stops workers accordingly. */
  follow(desired: DesiredPod, observed: ObservedPod): void;
  /** By container id. */
  verdicts(uid: string): ReadonlyMap<string, ProbeVerdict>;
  /** The pod is being stopped: nothing of it is to be restarted, but readiness still counts. */
  stopLivenessAndStartup(uid: string): void;
  forget(uid: string): void;
  stop(): void;
}

export interface ProbesParts {
  readonly engine: Pick<Engine, 'exec'>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** A verdict of this pod has changed. */
  readonly onVerdict: (uid: string) => void;
  /** The node's addresses, for pods in its network. */
  readonly hostIps: () => readonly string[];
  /** Every attempt that was made, for metrics. */
  readonly onResult?: (result: ProbeResult) => void;
  /** 0 to 1; `Math.random` where it is not given. */
  readonly random?: () => number;
}

interface Followed {
  desired: DesiredPod;
  observed: ObservedPod;
  /** By "type/container". */
  readonly workers: Map<string, Worker>;
  isEnding: boolean;
}

const types: readonly ProbeType[] = ['startup', 'liveness', 'readiness'];

const newestOf = (observed: ObservedPod, name: string): ObservedContainer | undefined =>
  observed.containers.find((record) => record.name === name);

export function createProbes(parts: ProbesParts): Probes {
  const { engine, events, clock, log, onVerdict, hostIps, onResult = () => {}, random = Math.random } = parts;
  const pods = new Map<string, Followed>();
  const bornMs = clock.now();

  async function attempt(what: Attempt, signal: AbortSignal): Promise<Finding> {
    const { exec, httpGet, tcpSocket, grpc } = what.probe;
    if (exec) return probeExec(engine, what, signal);
    if (httpGet) return probeHttp(what, signal);
    if (tcpSocket) return probeTcp(what, signal);
    if (grpc) return probeGrpc(what, signal);
    throw new Error(`missing probe handler for ${what.container.name}`);
  }

  function isStarted(pod: Followed, { container }: Probed, record: ObservedContainer | undefined): boolean {
    if (!container.startupProbe || !record) return true;
    const verdict = pod.workers.get(`startup/${container.name}`)?.tally(record.id)?.verdict;
    return verdict ?? hadStarted(pod.desired.pod, record);
  }

  function ipOf({ desired, observed }: Followed): string | undefined {
    return desired.pod.spec.hostNetwork ? hostIps()[0] : observed.sandboxes[0]?.ips[0];
  }

  /** What a worker of this pod's container sees now. */
  function look(uid: string, type: ProbeType, name: string): Sight | undefined {
    const pod = pods.get(uid);
    const probed = pod && probedContainers(pod.desired.pod).find(({ container }) => container.name === name);
    const probe = probed && probeOf(probed.container, type);
    if (!probe || (pod.isEnding && type !== 'readiness')) return undefined;
    const record = newestOf(pod.observed, name);
    return {
      ...probed,
      pod: pod.desired.pod,
      probe,
      record,
      isStarted: isStarted(pod, probed, record),
      ip: ipOf(pod),
    };
  }

  /** Containers from before this agent are not all asked at once. */
  function firstPauseMs({ record, probe }: Sight): number {
    const isOlder = record?.startedAtMs !== undefined && record.startedAtMs < bornMs;
    return isOlder && clock.now() - bornMs < periodMs(probe) ? random() * periodMs(probe) : 0;
  }

  function start(uid: string, pod: Followed, type: ProbeType, name: string, sight: Sight): void {
    const worker = createWorker({
      type,
      look: () => look(uid, type, name),
      attempt,
      events,
      clock,
      log: log.child({ podUid: uid, probe: type }),
      onVerdict: () => onVerdict(uid),
      onResult,
    });
    const key = `${type}/${name}`;
    pod.workers.set(key, worker);
    worker.run(firstPauseMs(sight)).then(
      () => pod.workers.delete(key),
      (err) => log.error({ err, podUid: uid, container: name, probe: type }, 'Probe worker ended'),
    );
  }

  /** A run that nobody has asked yet, or one that has started and is not ready: no waiting for the next tick. */
  function mayPoke(type: ProbeType, worker: Worker, { record, isStarted }: Sight): boolean {
    if (record?.phase !== 'running') return false;
    const tally = worker.tally(record.id);
    return !tally || (type === 'readiness' && isStarted && tally.verdict !== true);
  }

  function follow(desired: DesiredPod, observed: ObservedPod): void {
    const { uid, pod } = desired;
    const known = pods.get(uid);
    const followed: Followed = known ?? { desired, observed, workers: new Map(), isEnding: false };
    followed.desired = desired;
    followed.observed = observed;
    followed.isEnding ||= pod.metadata.deletionTimestamp !== undefined;
    pods.set(uid, followed);
    for (const { container } of probedContainers(pod)) {
      for (const type of types) {
        const sight = look(uid, type, container.name);
        const worker = followed.workers.get(`${type}/${container.name}`);
        if (!sight) worker?.stop();
        else if (!worker) start(uid, followed, type, container.name, sight);
        else if (mayPoke(type, worker, sight)) worker.poke();
      }
    }
  }

  function verdictOf(pod: Followed, probed: Probed, record: ObservedContainer): ProbeVerdict {
    const { name } = probed.container;
    const verdict = (type: ProbeType): boolean | undefined =>
      pod.workers.get(`${type}/${name}`)?.tally(record.id)?.verdict;
    const started = probed.container.startupProbe && isStarted(pod, probed, record) ? true : verdict('startup');
    // A startup probe that failed for good asks for a restart as a liveness probe does.
    const alive = pod.isEnding ? true : started === false ? false : verdict('liveness');
    return { started, ready: verdict('readiness'), alive };
  }

  function stopLivenessAndStartup(uid: string): void {
    const pod = pods.get(uid);
    if (!pod) return;
    pod.isEnding = true;
    for (const [key, worker] of pod.workers) if (!key.startsWith('readiness/')) worker.stop();
  }

  function forget(uid: string): void {
    const pod = pods.get(uid);
    pods.delete(uid);
    for (const worker of pod?.workers.values() ?? []) worker.stop();
  }

  return {
    follow,
    verdicts: (uid) => {
      const pod = pods.get(uid);
      if (!pod) return new Map();
      const probed = probedContainers(pod.desired.pod);
      return new Map(
        pod.observed.containers.flatMap((record): [string, ProbeVerdict][] => {
          const found = probed.find(({ container }) => container.name === record.name);
          return found && record.phase === 'running' ? [[record.id, verdictOf(pod, found, record)]] : [];
        }),
      );
    },
    stopLivenessAndStartup,
    forget,
    stop: () => {
      for (const uid of [...pods.keys()]) forget(uid);
    },
  };
}
