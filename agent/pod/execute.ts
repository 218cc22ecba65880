// Does what was planned, in order. The only place where plans become deeds, log lines and waiting reasons.
import type { Log } from '../../host/log.ts';
import type { DesiredPod, ObservedPod, PodAction, WaitingReason } from '../model.ts';

type Of<Kind extends PodAction['do']> = Extract<PodAction, { do: Kind }>;

/** The pod that a plan is for. `desired` undefined: nobody wants it any more. */
export interface Scene {
  readonly uid: string;
  readonly desired: DesiredPod | undefined;
  readonly observed: ObservedPod;
}

/** One deed per kind of step; each may be repeated, each throws when it could not be done. */
export interface Handlers {
  ensureVolumes(scene: Scene, signal: AbortSignal): Promise<void>;
  startSandbox(scene: Scene, step: Of<'StartSandbox'>, signal: AbortSignal): Promise<void>;
  attachNetwork(scene: Scene, step: Of<'AttachNetwork'>, signal: AbortSignal): Promise<void>;
  startContainer(scene: Scene, step: Of<'StartContainer'>, signal: AbortSignal): Promise<void>;
  backOff(scene: Scene, step: Of<'BackOff'>): WaitingReason;
  resizePod(scene: Scene, step: Of<'ResizePod'>, signal: AbortSignal): Promise<void>;
  stopContainers(scene: Scene, steps: readonly Of<'StopContainer'>[], signal: AbortSignal): Promise<void>;
  stopSandbox(scene: Scene, step: Of<'StopSandbox'>, signal: AbortSignal): Promise<void>;
  removeContainer(scene: Scene, step: Of<'RemoveContainer'>, signal: AbortSignal): Promise<void>;
  removeSandbox(scene: Scene, step: Of<'RemoveSandbox'>, signal: AbortSignal): Promise<void>;
  releasePod(scene: Scene, signal: AbortSignal): Promise<void>;
  forgetPod(scene: Scene, signal: AbortSignal): Promise<void>;
  /** What a container that did not start waits for, and until when. Undefined: not a matter of this container alone. */
  waitingFor(error: unknown): { readonly waiting: WaitingReason; readonly retryAtMs: number | undefined } | undefined;
}

export interface Outcome {
  /** By container name: why it waits, or undefined for one that started. */
  readonly waiting: ReadonlyMap<string, WaitingReason | undefined>;
  /** Steps that were done; back-offs are none. */
  readonly done: number;
  /** Containers that were to start and did not. */
  readonly unstarted: number;
  /** Why running containers could not be given their new resources. */
  readonly resizeError: string | undefined;
  /** What stopped the plan. */
  readonly failure: unknown;
  /** When the first of the containers that wait is due. */
  readonly retryAtMs: number | undefined;
}

/** A container that cannot start does not hold up the others; everything else that fails ends the turn. */
export async function execute(
  actions: readonly PodAction[],
  scene: Scene,
  handlers: Handlers,
  log: Log,
  signal: AbortSignal,
): Promise<Outcome> {
  const waiting = new Map<string, WaitingReason | undefined>();
  let retryAtMs: number | undefined;
  let done = 0;
  let unstarted = 0;
  let resizeError: string | undefined;
  const retryAt = (atMs: number | undefined): void => {
    if (atMs !== undefined) retryAtMs = Math.min(atMs, retryAtMs ?? atMs);
  };

  async function act(action: PodAction): Promise<void> {
    switch (action.do) {
      case 'EnsureVolumes':
        return handlers.ensureVolumes(scene, signal);
      case 'StartSandbox':
        return handlers.startSandbox(scene, action, signal);
      case 'AttachNetwork':
        return handlers.attachNetwork(scene, action, signal);
      case 'StartContainer':
        return startContainer(action);
      case 'BackOff':
        waiting.set(action.wish.container.name, handlers.backOff(scene, action));
        return retryAt(action.untilMs);
      case 'ResizePod':
        return resizePod(action);
      case 'StopContainer':
        return handlers.stopContainers(scene, [action], signal);
      case 'StopSandbox':
        return handlers.stopSandbox(scene, action, signal);
      case 'RemoveContainer':
        return handlers.removeContainer(scene, action, signal);
      case 'RemoveSandbox':
        return handlers.removeSandbox(scene, action, signal);
      case 'ReleasePod':
        return handlers.releasePod(scene, signal);
      case 'ForgetPod':
        return handlers.forgetPod(scene, signal);
    }
  }

  async function startContainer(action: Of<'StartContainer'>): Promise<void> {
    const { name } = action.wish.container;
    try {
      await handlers.startContainer(scene, action, signal);
      waiting.set(name, undefined);
    } catch (error) {
      const known = handlers.waitingFor(error);
      if (!known) throw error;
      waiting.set(name, known.waiting);
      retryAt(known.retryAtMs);
      done -= 1;
      unstarted += 1;
      log.info({ container: name, reason: known.waiting.reason, err: error }, 'Container could not be started');
    }
  }

  /** Containers go on with what they have. */
  async function resizePod(action: Of<'ResizePod'>): Promise<void> {
    try {
      await handlers.resizePod(scene, action, signal);
    } catch (error) {
      signal.throwIfAborted();
      resizeError = error instanceof Error ? error.message : String(error);
      log.warn({ err: error }, 'Pod could not be resized');
    }
  }

  try {
    for (let at = 0; at < actions.length; at += 1) {
      signal.throwIfAborted();
      const action = actions[at] as PodAction;
      const stops = stopsFrom(actions, at);
      if (stops.length > 1) {
        // All at once: each has the whole grace, and waits for those before it by itself.
        await handlers.stopContainers(scene, stops, signal);
        at += stops.length - 1;
      } else await act(action);
      if (action.do !== 'BackOff' && action.do !== 'ResizePod') done += 1;
      for (const step of stops.length > 1 ? stops : [action]) log.info(fieldsOf(step), messages[step.do]);
    }
  } catch (failure) {
    if (signal.aborted) throw failure;
    return { waiting, done, unstarted, resizeError, failure, retryAtMs };
  }
  return { waiting, done, unstarted, resizeError, failure: undefined, retryAtMs };
}

function stopsFrom(actions: readonly PodAction[], from: number): Of<'StopContainer'>[] {
  const stops: Of<'StopContainer'>[] = [];
  for (const action of actions.slice(from)) {
    if (action.do !== 'StopContainer') break;
    stops.push(action);
  }
  return stops;
}

const messages: Readonly<Record<PodAction['do'], string>> = {
  EnsureVolumes: 'Volumes made ready',
  StartSandbox: 'Sandbox started',
  AttachNetwork: 'Network attached',
  StartContainer: 'Container start done',
  BackOff: 'Container start put off',
  ResizePod: 'Pod resize done',
  StopContainer: 'Container stopped',
  StopSandbox: 'Sandbox stopped',
  RemoveContainer: 'Dead container removed',
  RemoveSandbox: 'Dead sandbox removed',
  ReleasePod: 'Pod released',
  ForgetPod: 'Pod forgotten',
};

function fieldsOf(action: PodAction): Record<string, unknown> {
  const { because } = action;
  if ('wish' in action) return { because, container: action.wish.container.name };
  if ('container' in action) return { because, container: action.container.name, containerId: action.container.id };
  if ('sandbox' in action) return { because, sandboxId: action.sandbox.id };
  return { because };
}
