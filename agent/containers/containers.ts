// Starts and stops containers: everything between a plan and a process, with the events that users know.
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Container, Pod, Service } from '../../kube/types.ts';
import {
  type BindMount,
  type ContainerResources,
  type DeviceMapping,
  type Engine,
  EngineError,
  type ImageDetail,
} from '../docker/engine.ts';
import { containerName, labels, type PodIdentity, podLabels } from '../docker/labels.ts';
import type { Launcher } from '../docker/launch.ts';
import type { ContainerKind, EventSink, ObservedContainer, PodObjects } from '../model.ts';
import { ContainerStartError, engineWords } from './errors.ts';
import { type Hook, type HookScene, runHook } from './hooks.ts';
import type { LogLinks } from './log-links.ts';
import type { DownwardFacts } from './rules/downward.ts';
import { containerEnv, envReferences } from './rules/env.ts';
import { containerPlan } from './rules/plan.ts';
import { seccompPath } from './rules/security.ts';
import { createMessageFile } from './termination-message.ts';

export interface ContainerOptions {
  readonly nodeName: string;
  /** Where seccomp profiles lie: "<root>/seccomp". */
  readonly seccompDirectory: string;
  readonly seccompDefault: boolean;
  readonly cgroupVersion: 1 | 2;
  readonly nodeMemoryBytes: number;
  readonly log: { readonly maxSizeBytes: number; readonly maxFiles: number };
  podDirectory(uid: string): string;
}

export interface ContainerParts {
  readonly engine: Engine;
  readonly launcher: Launcher;
  readonly objects: PodObjects;
  readonly events: EventSink;
  readonly links: LogLinks;
  readonly clock: Clock;
  readonly log: Log;
}

/** Everything that one start needs to know. */
export interface StartRequest {
  readonly pod: Pod;
  readonly kind: ContainerKind;
  readonly container: Container;
  readonly restartCount: number;
  readonly backOffSeconds: number;
  readonly specHash: string;
  readonly sandboxId: string;
  readonly targetId: string | undefined;
  readonly cgroupParent: string | undefined;
  readonly image: ImageDetail;
  readonly downward: DownwardFacts;
  /** The files that all containers of the pod see. */
  readonly podFiles: readonly BindMount[];
  readonly devices: readonly DeviceMapping[];
  /** Asked once the environment is known, for subPathExpr. */
  mounts(env: Readonly<Record<string, string>>): Promise<readonly BindMount[]>;
}

export interface Containers {
  /** Returns the id of the running container. Throws `ContainerStartError`; events have been said. */
  start(request: StartRequest, signal: AbortSignal): Promise<string>;
  /** Hook, signal, patience, kill. `spent` are the seconds of grace that were used up by waiting. */
  stop(request: StopRequest, signal: AbortSignal): Promise<void>;
  /** Gives a running container other resources. */
  resize(container: ObservedContainer, resources: ContainerResources, signal: AbortSignal): Promise<void>;
  remove(pod: PodIdentity, container: ObservedContainer, signal: AbortSignal): Promise<void>;
}

export interface StopRequest {
  readonly container: ObservedContainer;
  readonly graceSeconds: number;
  readonly because: string;
  /** Undefined: the wish is gone, and with it hooks and events. */
  readonly wish: { readonly pod: Pod; readonly container: Container | undefined; readonly ip: string } | undefined;
  /** Ends when those have stopped that must stop first. */
  readonly turn: Promise<void>;
}

const leastGraceSeconds = 2;
const defaultMessagePath = '/dev/termination-log';

const fieldOf = (kind: ContainerKind, name: string): string => {
  const list = kind === 'app' ? 'containers' : kind === 'ephemeral' ? 'ephemeralContainers' : 'initContainers';
  return `spec.${list}{${name}}`;
};

export const identityOfPod = (pod: Pod): PodIdentity => ({
  uid: pod.metadata.uid,
  name: pod.metadata.name,
  namespace: pod.metadata.namespace,
});

export function createContainers(parts: ContainerParts, options: ContainerOptions): Containers {
  const { engine, launcher, objects, events, links, clock, log } = parts;
  /** Hooks run once per container, also when a stop is begun again with less grace. */
  const hooked = new Set<string>();

  async function environment(
    { pod, container, downward }: StartRequest,
    signal: AbortSignal,
  ): Promise<Map<string, string>> {
    const { namespace } = pod.metadata;
    const names = envReferences(container);
    const fetched = async <T>(from: Iterable<string>, get: (name: string) => Promise<T>): Promise<Map<string, T>> =>
      new Map(await Promise.all([...from].map(async (name): Promise<[string, T]> => [name, await get(name)])));
    const [configMaps, secrets] = await Promise.all([
      fetched(names.configMaps, (name) => objects.configMap(namespace, name, signal)),
      fetched(names.secrets, (name) => objects.secret(namespace, name, signal)),
    ]);
    return containerEnv(pod, container, { configMaps, secrets, services: servicesFor(pod) }, downward);
  }

  /** A static pod may be what the API server runs in: it does not wait for services. */
  function servicesFor({ metadata }: Pod): readonly Service[] {
    try {
      return objects.services(metadata.namespace);
    } catch (error) {
      if (['file', 'http'].includes(metadata.annotations?.['kubernetes.io/config.source'] ?? '')) return [];
      throw error;
    }
  }

  async function seccompProfiles({ pod, container }: StartRequest): Promise<Map<string, string>> {
    const path = seccompPath(pod, container);
    if (!path || path.startsWith('/') || normalize(path).startsWith('..')) return new Map();
    const text = await readFile(join(options.seccompDirectory, path), 'utf8').catch(() => undefined);
    return text === undefined ? new Map() : new Map([[path, text]]);
  }

  function labelsOf(request: StartRequest): Record<string, string> {
    const { pod, container, restartCount } = request;
    const identity = identityOfPod(pod);
    const { deletionGracePeriodSeconds: deletionGrace } = pod.metadata;
    const preStop = container.lifecycle?.preStop;
    return {
      ...podLabels(identity, options.nodeName),
      [labels.type]: 'container',
      [labels.containerName]: container.name,
      [labels.sandboxId]: request.sandboxId,
      [labels.logPath]: links.pathOf(identity, container.name, restartCount),
      [labels.hash]: request.specHash,
      [labels.restartCount]: `${restartCount}`,
      [labels.messagePath]: container.terminationMessagePath ?? defaultMessagePath,
      [labels.messagePolicy]: container.terminationMessagePolicy ?? 'File',
      ...(deletionGrace === undefined ? {} : { [labels.podDeletionGrace]: `${deletionGrace}` }),
      [labels.podTerminationGrace]: `${pod.spec.terminationGracePeriodSeconds ?? 30}`,
      ...(preStop ? { [labels.preStop]: JSON.stringify(preStop) } : {}),
      ...(container.ports ? { [labels.ports]: JSON.stringify(container.ports) } : {}),
      [labels.image]: container.image ?? '',
      [labels.backOff]: `${request.backOffSeconds}`,
    };
  }

  async function prepare(request: StartRequest, signal: AbortSignal) {
    const { pod, container, restartCount } = request;
    const env = await environment(request, signal);
    const mounts = [...(await request.mounts(Object.fromEntries(env))), ...request.podFiles];
    const messageAt = container.terminationMessagePath ?? defaultMessagePath;
    if (messageAt !== '') {
      const hostPath = await createMessageFile(options.podDirectory(pod.metadata.uid), container.name, restartCount);
      mounts.push({ hostPath, containerPath: messageAt, readOnly: false, propagation: 'rprivate' });
    }
    return containerPlan(pod, container, {
      name: containerName(identityOfPod(pod), container.name, restartCount),
      labels: labelsOf(request),
      imageId: request.image.id,
      imageUser: request.image.user,
      env,
      mounts,
      devices: request.devices,
      sandboxId: request.sandboxId,
      targetId: request.targetId,
      cgroupParent: request.cgroupParent,
      cgroupVersion: options.cgroupVersion,
      nodeMemoryBytes: options.nodeMemoryBytes,
      seccompDefault: options.seccompDefault,
      seccompProfiles: await seccompProfiles(request),
      log: options.log,
    });
  }

  /** Hides secrets by design: only what the engine or our own rules said. */
  function failed(request: StartRequest, error: unknown, wasCreated: boolean): ContainerStartError {
    const { pod, kind, container } = request;
    const started =
      error instanceof ContainerStartError
        ? error
        : error instanceof EngineError
          ? new ContainerStartError(
              wasCreated ? 'RunContainerError' : 'CreateContainerError',
              engineWords(error),
              error,
            )
          : new ContainerStartError(
              'CreateContainerConfigError',
              error instanceof Error ? error.message : String(error),
              error,
            );
    const field = fieldOf(kind, container.name);
    events.pod(pod, { type: 'Warning', reason: 'Failed', message: `Error: ${started.message}`, container: field });
    return started;
  }

  async function postStart(request: StartRequest, id: string, hook: Hook, signal: AbortSignal): Promise<void> {
    const { pod, container, kind, downward } = request;
    const ip = pod.spec.hostNetwork ? downward.hostIps[0] : downward.podIps[0];
    try {
      await runHook(engine, clock, hook, { containerId: id, pod, container, ip: ip ?? '' }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const field = fieldOf(kind, container.name);
      events.pod(pod, {
        type: 'Warning',
        reason: 'FailedPostStartHook',
        message: 'PostStartHook failed',
        container: field,
      });
      await engine.stopContainer(id, leastGraceSeconds, signal);
      throw new ContainerStartError(
        'PostStartHookError',
        error instanceof Error ? error.message : String(error),
        error,
      );
    }
  }

  async function preStop({ container, wish }: StopRequest, hook: Hook, signal: AbortSignal): Promise<void> {
    if (!wish?.container || hooked.has(container.id)) return;
    hooked.add(container.id);
    const scene: HookScene = { containerId: container.id, pod: wish.pod, container: wish.container, ip: wish.ip };
    try {
      await runHook(engine, clock, hook, scene, signal);
    } catch (error) {
      log.info({ container: container.name, containerId: container.id, err: error }, 'PreStop hook failed');
      const field = fieldOf('app', container.name);
      events.pod(wish.pod, {
        type: 'Warning',
        reason: 'FailedPreStopHook',
        message: 'PreStopHook failed',
        container: field,
      });
    }
  }

  return {
    start: async (request, signal) => {
      const { pod, kind, container, restartCount } = request;
      const field = fieldOf(kind, container.name);
      const say = (reason: string, message: string): void =>
        events.pod(pod, { type: 'Normal', reason, message, container: field });
      let wasCreated = false;
      try {
        const plan = await prepare(request, signal);
        const id = await launcher.launch(plan, signal, async () => {
          wasCreated = true;
          say('Created', 'Container created');
        });
        say('Started', 'Container started');
        const { logPath } = await engine.inspectContainer(id, signal);
        await links.link(identityOfPod(pod), container.name, restartCount, id, logPath);
        const hook = container.lifecycle?.postStart;
        if (hook) await postStart(request, id, hook, signal);
        return id;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof EngineError && (error.reason === 'Unreachable' || error.reason === 'TimedOut'))
          throw error;
        throw failed(request, error, wasCreated);
      }
    },

    stop: async (request, signal) => {
      const { container, graceSeconds, because, wish } = request;
      const startedAtMs = clock.now();
      const left = (): number => graceSeconds - Math.floor((clock.now() - startedAtMs) / 1000);
      if (wish) {
        const field = fieldOf('app', container.name);
        const message = /^Container /.test(because) ? because : `Stopping container ${container.name}`;
        events.pod(wish.pod, { type: 'Normal', reason: 'Killing', message, container: field });
      }
      const hook = wish?.container?.lifecycle?.preStop;
      const outOfGrace = AbortSignal.any([signal, AbortSignal.timeout(Math.min(graceSeconds * 1000, 2 ** 31 - 1))]);
      if (hook && graceSeconds > 0) await preStop(request, hook, outOfGrace);
      await Promise.race([request.turn, ended(outOfGrace)]);
      signal.throwIfAborted();
      await engine.stopContainer(container.id, Math.max(leastGraceSeconds, left()), signal);
      hooked.delete(container.id);
    },

    resize: (container, resources, signal) => engine.updateContainer(container.id, resources, signal),

    remove: async (pod, container, signal) => {
      await engine.removeContainer(container.id, signal);
      await links.unlink(pod, container.name, container.restartCount, container.id);
    },
  };
}

function ended(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
