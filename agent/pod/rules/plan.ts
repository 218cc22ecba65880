// What to do next for one pod: the whole of its life, as a list of steps with reasons.
import type { ContainerResources } from '../../docker/engine.ts';
import type {
  ContainerWish,
  DesiredPod,
  ObservedContainer,
  ObservedPod,
  ObservedSandbox,
  PodAction,
  PodFacts,
} from '../../model.ts';
import { appWishes, ephemeralWishes, initWishes, isOutdated, newestOf } from './containers.ts';
import { isRestartedByResize, isToResize } from './resize.ts';
import { backOffAfter, shouldRestart } from './restart.ts';
import { orphanGraceSeconds, planForgetting, planTermination, stopAll } from './terminate.ts';

export interface PlanFacts extends PodFacts {
  /** crashLoopBackOff.maxContainerRestartPeriod */
  readonly maxBackOffSeconds: number;
  /** This agent has not made the pod's volumes ready yet, or what they tell of the pod has changed since. */
  readonly areVolumesDue: boolean;
  /** By container name: what the pod's allocation comes to in the engine's units. */
  readonly wantedResources: ReadonlyMap<string, ContainerResources>;
}

/** The next safe steps. Empty: the wish is reached. `desired` undefined: nobody wants the pod any more. */
export function planPod(
  desired: DesiredPod | undefined,
  observed: ObservedPod,
  facts: PlanFacts,
  nowMs: number,
): readonly PodAction[] {
  if (!desired) return planForgetting(observed, facts.termination?.graceSeconds ?? orphanGraceSeconds);
  if (facts.rejection) {
    const because = `it was rejected: ${facts.rejection.reason}`;
    return planTermination(desired, observed, { graceSeconds: orphanGraceSeconds, because }, facts.terminated);
  }
  if (facts.termination) return planTermination(desired, observed, facts.termination, facts.terminated);
  const [sandbox, ...older] = observed.sandboxes;
  if (sandbox?.phase !== 'running' || older.some((other) => other.phase === 'running')) {
    return planSandbox(desired, observed);
  }
  if (!sandbox.hostNetwork && sandbox.ips.length === 0) {
    return [{ do: 'AttachNetwork', sandbox, because: 'its sandbox has no address' }];
  }
  const steps = planContainers({ desired, observed, facts, nowMs, sandbox });
  const needsVolumes = facts.areVolumesDue || steps.some((step) => step.do === 'StartContainer');
  const because = facts.areVolumesDue ? 'they may not be up to date' : 'a container is about to start';
  const volumes: PodAction[] = needsVolumes ? [{ do: 'EnsureVolumes', because }] : [];
  return [...volumes, ...steps, ...collect(observed, sandbox)];
}

/** From no sandbox, a dead one, one that never started or several to exactly one that runs. */
function planSandbox(desired: DesiredPod, observed: ObservedPod): PodAction[] {
  const [newest] = observed.sandboxes;
  if (!newest) return [{ do: 'StartSandbox', attempt: 0, because: 'it has no sandbox' }];
  if (newest.phase === 'created') {
    const because = 'its sandbox never started';
    return [
      { do: 'RemoveSandbox', sandbox: newest, because },
      { do: 'StartSandbox', attempt: newest.attempt, because },
    ];
  }
  const because = newest.phase === 'running' ? 'it has more than one sandbox' : 'its sandbox has stopped';
  const grace = desired.pod.spec.terminationGracePeriodSeconds ?? 30;
  return [
    ...stopAll(desired.pod, observed, grace, because),
    ...observed.sandboxes.map((sandbox): PodAction => ({ do: 'StopSandbox', sandbox, because })),
    { do: 'StartSandbox', attempt: newest.attempt + 1, because },
  ];
}

interface Scene {
  readonly desired: DesiredPod;
  readonly observed: ObservedPod;
  readonly facts: PlanFacts;
  readonly nowMs: number;
  readonly sandbox: ObservedSandbox;
}

function planContainers(scene: Scene): PodAction[] {
  const { desired, observed } = scene;
  const ephemeral = ephemeralWishes(desired.pod)
    .filter((wish) => !newestOf(observed, wish.container.name))
    .map((wish) => start(scene, wish, undefined, 'it was asked for'));
  const init = planInit(scene);
  const apps = init.isDone ? appWishes(desired.pod).flatMap((wish) => planOne(scene, wish)) : [];
  return [...ephemeral, ...planResize(scene), ...init.steps, ...apps];
}

/** What can be changed in place, least first: memory that one gives back another may get. */
function planResize({ desired, observed, facts }: Scene): PodAction[] {
  const wishes = [...appWishes(desired.pod), ...initWishes(desired.pod)];
  const found = wishes.flatMap((wish) => {
    const newest = newestOf(observed, wish.container.name);
    const wanted = facts.wantedResources.get(wish.container.name);
    if (!newest || !wanted || !isToResize(newest, wanted) || isRestartedByResize(wish, newest, wanted)) return [];
    return [{ newest, growth: wanted.memoryBytes - newest.resources.memoryBytes }];
  });
  const containers = found.sort((a, b) => a.growth - b.growth).map(({ newest }) => newest);
  return containers.length === 0 ? [] : [{ do: 'ResizePod', containers, because: 'its resources have changed' }];
}

/** One after the other, in the order of the spec; sidecars only have to have started. */
function planInit(scene: Scene): { steps: PodAction[]; isDone: boolean } {
  const { desired, observed, sandbox } = scene;
  const inThisSandbox = (name: string): ObservedContainer | undefined => {
    const newest = newestOf(observed, name);
    return newest?.sandboxId === sandbox.id ? newest : undefined;
  };
  const appStarted = appWishes(desired.pod).some(({ container }) => {
    const newest = inThisSandbox(container.name);
    return newest !== undefined && newest.phase !== 'created';
  });
  const steps: PodAction[] = [];
  for (const wish of initWishes(desired.pod)) {
    if (wish.kind === 'init' && appStarted) continue;
    const current = inThisSandbox(wish.container.name);
    if (wish.kind === 'init' && current?.phase === 'exited' && current.exitCode === 0) continue;
    // Init containers run again in a new sandbox, whatever came of them in the old one.
    steps.push(...(current ? planOne(scene, wish) : [firstIn(scene, wish)]));
    const hasStarted = wish.kind === 'sidecar' && current !== undefined && hasBegun(scene, wish, current);
    if (!hasStarted && !appStarted) return { steps, isDone: false };
  }
  return { steps, isDone: true };
}

/** Running, and past its startup probe where it has one. */
function hasBegun(scene: Scene, wish: ContainerWish, current: ObservedContainer): boolean {
  if (current.phase !== 'running') return false;
  return !wish.container.startupProbe || scene.facts.probes.get(current.id)?.started === true;
}

function planOne(scene: Scene, wish: ContainerWish): PodAction[] {
  const newest = newestOf(scene.observed, wish.container.name);
  if (!newest) return [firstIn(scene, wish)];
  switch (newest.phase) {
    case 'created': {
      const because = 'it was created but never started';
      return [
        { do: 'RemoveContainer', container: newest, because },
        start(scene, wish, { restartCount: newest.restartCount, backOffSeconds: newest.backOffSeconds ?? 0 }, because),
      ];
    }
    case 'running':
      return planRunning(scene, wish, newest);
    case 'exited':
      return planEnded(scene, wish, newest);
  }
}

function planRunning(scene: Scene, wish: ContainerWish, running: ObservedContainer): PodAction[] {
  const { name } = wish.container;
  const { pod } = scene.desired;
  const again = shouldRestart(wish, pod, 137) ? ', will be restarted' : '';
  const stop = (because: string, graceSeconds: number): PodAction[] => [
    { do: 'StopContainer', container: running, graceSeconds, after: [], because },
  ];
  const podGrace = pod.spec.terminationGracePeriodSeconds ?? 30;
  if (isOutdated(running, wish.container))
    return stop(`Container ${name} definition changed, will be restarted`, podGrace);
  const wanted = scene.facts.wantedResources.get(name);
  if (wanted && isToResize(running, wanted) && isRestartedByResize(wish, running, wanted)) {
    const count = { restartCount: running.restartCount + 1, backOffSeconds: running.backOffSeconds ?? 0 };
    const because = `Container ${name} resize requires restart`;
    return [...stop(because, podGrace), start(scene, wish, count, because)];
  }
  const verdict = scene.facts.probes.get(running.id);
  if (verdict?.alive !== false) return [];
  const isStartup = wish.container.startupProbe !== undefined && verdict.started !== true;
  const probe = isStartup ? wish.container.startupProbe : wish.container.livenessProbe;
  const kind = isStartup ? 'startup' : 'liveness';
  return stop(`Container ${name} failed ${kind} probe${again}`, probe?.terminationGracePeriodSeconds ?? podGrace);
}

function planEnded(scene: Scene, wish: ContainerWish, ended: ObservedContainer): PodAction[] {
  const { desired, facts, nowMs } = scene;
  if (!shouldRestart(wish, desired.pod, ended.exitCode)) return [];
  const { untilMs, delaySeconds, nextSeconds } = backOffAfter(ended, facts.maxBackOffSeconds);
  const because = `it exited with ${ended.exitCode}`;
  if (nowMs < untilMs) return [{ do: 'BackOff', wish, delaySeconds, untilMs, because }];
  return [start(scene, wish, { restartCount: ended.restartCount + 1, backOffSeconds: nextSeconds }, because)];
}

/** The first run in this sandbox; an earlier sandbox's record only counts on. */
function firstIn(scene: Scene, wish: ContainerWish): PodAction {
  const before = newestOf(scene.observed, wish.container.name);
  if (!before) return start(scene, wish, undefined, 'it has never run');
  return start(scene, wish, { restartCount: before.restartCount + 1, backOffSeconds: 0 }, 'its sandbox is new');
}

function start(
  { sandbox }: Scene,
  wish: ContainerWish,
  count: { restartCount: number; backOffSeconds: number } | undefined,
  because: string,
): PodAction & { do: 'StartContainer' } {
  return { do: 'StartContainer', wish, sandbox, ...(count ?? { restartCount: 0, backOffSeconds: 0 }), because };
}

/** Dead records beyond the newest of each name, and dead sandboxes that no record refers to any more. */
function collect(observed: ObservedPod, current: ObservedSandbox): PodAction[] {
  const because = 'newer ones are kept';
  const kept = new Map<string, ObservedContainer>();
  const extra: ObservedContainer[] = [];
  for (const container of observed.containers) {
    if (container.phase !== 'exited') continue;
    if (kept.has(container.name)) extra.push(container);
    else kept.set(container.name, container);
  }
  const inUse = new Set(
    observed.containers.filter((container) => !extra.includes(container)).map((one) => one.sandboxId),
  );
  const sandboxes = observed.sandboxes.filter((other) => other.id !== current.id && !inUse.has(other.id));
  return [
    ...extra.map((container): PodAction => ({ do: 'RemoveContainer', container, because })),
    ...sandboxes.map((sandbox): PodAction => ({ do: 'RemoveSandbox', sandbox, because })),
  ];
}
