// Why a pod must go, how fast, and in which order its containers stop.
import type { Pod } from '../../../kube/types.ts';
import type {
  DesiredPod,
  ObservedContainer,
  ObservedPod,
  ObservedSandbox,
  PodAction,
  Termination,
} from '../../model.ts';
import { appWishes, initWishes, newestOf } from './containers.ts';
import { shouldRestart } from './restart.ts';

const defaultGraceSeconds = 30;
/** For pods that nobody wants any more and whose wish is lost. */
export const orphanGraceSeconds = 1;

const specGrace = (pod: Pod): number => pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;

const deadline = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** When activeDeadlineSeconds is over; undefined where there is none, or the pod has not started. */
export function deadlineMs(pod: Pod): number | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  const startedAt = Date.parse(pod.status?.startTime ?? '');
  if (activeDeadlineSeconds === undefined || Number.isNaN(startedAt)) return undefined;
  return startedAt + activeDeadlineSeconds * 1000;
}

/**
 * Whether the pod must go, from the wish and the look alone. `earlier` is what was decided before: a pod never comes back from
 * termination, and its grace only shrinks.
 */
export function terminationOf(
  desired: DesiredPod,
  observed: ObservedPod,
  earlier: Termination | undefined,
  nowMs: number,
): Termination | undefined {
  const { pod } = desired;
  if (pod.metadata.deletionTimestamp !== undefined) {
    const asked = pod.metadata.deletionGracePeriodSeconds ?? specGrace(pod);
    return sooner(earlier, { graceSeconds: Math.max(1, asked), because: 'it is being deleted' });
  }
  if (earlier) return earlier;
  const graceSeconds = Math.max(1, specGrace(pod));
  const { phase } = pod.status ?? {};
  if (phase === 'Failed' || phase === 'Succeeded') return { graceSeconds, because: `its phase is ${phase}` };
  if (nowMs >= (deadlineMs(pod) ?? Number.POSITIVE_INFINITY)) {
    return { graceSeconds, because: 'its activeDeadlineSeconds are over', status: deadline };
  }
  const because = finishedBecause(pod, observed);
  return because === undefined ? undefined : { graceSeconds, because };
}

/** The later word only makes it faster. What the pod ends as was said first. */
export function sooner(earlier: Termination | undefined, later: Termination): Termination {
  if (!earlier) return later;
  return { ...earlier, graceSeconds: Math.min(earlier.graceSeconds, later.graceSeconds) };
}

/** Why nothing is left to do in this pod; undefined while something runs or may run. */
export function finishedBecause(pod: Pod, observed: ObservedPod): string | undefined {
  const [sandbox] = observed.sandboxes;
  const apps = appWishes(pod).map((wish) => ({ wish, newest: newestOf(observed, wish.container.name) }));
  const appStarted = apps.some(({ newest }) => newest !== undefined && newest.phase !== 'created');
  for (const wish of appStarted ? [] : initWishes(pod)) {
    const newest = newestOf(observed, wish.container.name);
    if (wish.kind === 'sidecar' || newest?.phase !== 'exited' || newest.exitCode === 0) continue;
    if (newest.sandboxId === sandbox?.id && !shouldRestart(wish, pod, newest.exitCode)) {
      return `its init container "${wish.container.name}" failed`;
    }
  }
  const areDone = apps.every(
    ({ wish, newest }) => newest?.phase === 'exited' && !shouldRestart(wish, pod, newest.exitCode),
  );
  if (areDone) return 'its containers have finished';
  const isLost = appStarted && sandbox?.phase !== 'running' && pod.spec.restartPolicy === 'Never';
  return isLost ? 'its sandbox is gone and its restart policy is Never' : undefined;
}

const isRunning = (of: ObservedContainer | ObservedSandbox): boolean => of.phase === 'running';

/** Stops everything at once; a sidecar waits for the app containers and for the sidecars that started after it. */
export function stopAll(
  pod: Pod | undefined,
  observed: ObservedPod,
  graceSeconds: number,
  because: string,
): PodAction[] {
  const running = observed.containers.filter(isRunning);
  const sidecars = pod ? initWishes(pod).filter((wish) => wish.kind === 'sidecar') : [];
  const order = new Map(sidecars.map((wish, index) => [wish.container.name, index]));
  const rank = (container: ObservedContainer): number => order.get(container.name) ?? Number.POSITIVE_INFINITY;
  return running.map((container) => ({
    do: 'StopContainer',
    container,
    graceSeconds,
    after: running.filter((other) => rank(other) > rank(container)).map((other) => other.id),
    because,
  }));
}

const stopSandboxes = (observed: ObservedPod, because: string): PodAction[] =>
  observed.sandboxes.filter(isRunning).map((sandbox) => ({ do: 'StopSandbox', sandbox, because }));

/** Stops what runs, then gives everything back that the pod held. Dead containers stay, for their logs. */
export function planTermination(
  desired: DesiredPod,
  observed: ObservedPod,
  termination: Pick<Termination, 'graceSeconds' | 'because'>,
  isReleased: boolean,
): PodAction[] {
  const { graceSeconds, because } = termination;
  const stops = [...stopAll(desired.pod, observed, graceSeconds, because), ...stopSandboxes(observed, because)];
  if (stops.length > 0) return stops;
  return isReleased ? [] : [{ do: 'ReleasePod', because }];
}

/** Leaves no trace of a pod that nobody wants any more. */
export function planForgetting(observed: ObservedPod, graceSeconds: number): PodAction[] {
  const because = 'nobody wants it any more';
  const stops = [...stopAll(undefined, observed, graceSeconds, because), ...stopSandboxes(observed, because)];
  if (stops.length > 0) return stops;
  return [
    ...observed.containers.map((container): PodAction => ({ do: 'RemoveContainer', container, because })),
    ...observed.sandboxes.map((sandbox): PodAction => ({ do: 'RemoveSandbox', sandbox, because })),
    { do: 'ForgetPod', because },
  ];
}
