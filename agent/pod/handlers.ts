// The deeds: each step of a plan, handed to the rooms that can do it.
import type { Clock } from '../../host/clock.ts';
import type { Container, Pod } from '../../kube/types.ts';
import { type Containers, identityOfPod } from '../containers/containers.ts';
import { ContainerStartError } from '../containers/errors.ts';
import type { LogLinks } from '../containers/log-links.ts';
import { containerResources } from '../containers/rules/resources.ts';
import type { ImageDetail } from '../docker/engine.ts';
import { ImageError } from '../images/errors.ts';
import type { Images } from '../images/images.ts';
import type { EventSink, ObservedContainer, ObservedPod, PodAction, Volumes } from '../model.ts';
import type { NetworkNotReady, Sandboxes } from '../sandbox/sandboxes.ts';
import type { PodCgroups } from './cgroups.ts';
import type { Handlers, Scene } from './execute.ts';
import type { Memories } from './memory.ts';
import { appWishes, ephemeralWishes, initWishes, specHash } from './rules/containers.ts';
import { backOffText } from './rules/restart.ts';

export interface HandlerParts {
  readonly sandboxes: Sandboxes;
  readonly containers: Containers;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly cgroups: PodCgroups;
  readonly links: LogLinks;
  readonly events: EventSink;
  readonly memories: Memories;
  readonly node: {
    readonly name: string;
    readonly hostIps: () => readonly string[];
    readonly allocatable: () => Readonly<Record<string, string>>;
  };
  readonly clock: Clock;
}

const fields = {
  app: 'containers',
  ephemeral: 'ephemeralContainers',
  init: 'initContainers',
  sidecar: 'initContainers',
};

const podOf = ({ desired, uid }: Scene) => {
  if (!desired) throw new Error(`Cannot start anything of pod ${uid}: nobody wants it`);
  return desired.pod;
};

const isNotReady = (error: unknown): error is NetworkNotReady =>
  error instanceof Error && error.name === 'NetworkNotReady';

export function createHandlers(parts: HandlerParts): Handlers {
  const { sandboxes, containers, images, volumes, cgroups, links, events, memories, node } = parts;

  /** The pod's addresses, as its containers know them. */
  const addresses = ({ observed, desired }: Scene): readonly string[] =>
    desired?.pod.spec.hostNetwork ? node.hostIps() : (observed.sandboxes[0]?.ips ?? []);

  /** Says why a sandbox could not be, then throws on. */
  async function withEvents(scene: Scene, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const [reason, message] = isNotReady(error)
        ? ['NetworkNotReady', words]
        : ['FailedCreatePodSandBox', `Failed to create pod sandbox: ${words}`];
      events.pod(podOf(scene), { type: 'Warning', reason, message });
      throw error;
    }
  }

  /** Each stop has its own turn: those that must go first are waited for within the grace. */
  async function stopContainers(
    scene: Scene,
    steps: readonly Extract<PodAction, { do: 'StopContainer' }>[],
    signal: AbortSignal,
  ) {
    const ends = new Map(steps.map(({ container }) => [container.id, Promise.withResolvers<void>()]));
    const stops = steps.map(async ({ container, graceSeconds, after, because }) => {
      const turn = Promise.all(after.map((id) => ends.get(id)?.promise)).then(() => {});
      try {
        await containers.stop({ container, graceSeconds, because, turn, wish: wishOf(scene, container.name) }, signal);
      } finally {
        ends.get(container.id)?.resolve();
      }
    });
    const failed = (await Promise.allSettled(stops)).find((result) => result.status === 'rejected');
    if (!failed) return;
    signal.throwIfAborted();
    const words = failed.reason instanceof Error ? failed.reason.message : String(failed.reason);
    if (scene.desired) {
      events.pod(scene.desired.pod, {
        type: 'Warning',
        reason: 'FailedKillPod',
        message: `error killing pod: ${words}`,
      });
    }
    throw failed.reason;
  }

  /** The kernel would kill rather than take memory away that is in use. */
  async function refuseBelowUsage({ name, pid, resources }: ObservedContainer, memoryBytes: number): Promise<void> {
    const isLess = memoryBytes !== 0 && (resources.memoryBytes === 0 || memoryBytes < resources.memoryBytes);
    const used = isLess ? await cgroups.memoryUsage(pid) : undefined;
    if (used === undefined || used < memoryBytes) return;
    const what = `attempting to set container ${JSON.stringify(name)} memory limit (${memoryBytes}) below current usage (${used})`;
    throw new Error(`cannot decrease memory limits: ${what}`);
  }

  function wishOf(scene: Scene, name: string) {
    if (!scene.desired) return undefined;
    const { pod } = scene.desired;
    const all = [...appWishes(pod), ...initWishes(pod), ...ephemeralWishes(pod)];
    const container = all.find((wish) => wish.container.name === name)?.container;
    return { pod, container, ip: addresses(scene)[0] ?? '' };
  }

  /** Pulled like the container's own; by volume. */
  async function mountedImages(pod: Pod, container: Container, signal: AbortSignal): Promise<Map<string, ImageDetail>> {
    const found = new Map<string, ImageDetail>();
    for (const { name, image } of pod.spec.volumes ?? []) {
      if (!image || !container.volumeMounts?.some((mount) => mount.name === name)) continue;
      const { reference = '', pullPolicy: imagePullPolicy } = image;
      const wanted = { name: container.name, image: reference, ...(imagePullPolicy ? { imagePullPolicy } : {}) };
      // Its events are about the pod, not about one of its containers.
      found.set(name, await images.ensure({ pod, container: wanted, field: '' }, signal));
    }
    return found;
  }

  return {
    stopContainers,

    resizePod: async (scene, { containers: resized }, signal) => {
      const pod = podOf(scene);
      await cgroups.widen(pod);
      for (const record of resized) {
        const container = wishOf(scene, record.name)?.container;
        if (!container) continue;
        const wanted = containerResources(pod, container);
        await refuseBelowUsage(record, wanted.memoryBytes);
        await containers.resize(record, wanted, signal);
      }
      await cgroups.ensure(pod);
    },

    ensureVolumes: async ({ desired, uid }, signal) => {
      const memory = memories.of(uid);
      // News that come while they are being written make them due again.
      memory.areVolumesDue = false;
      try {
        if (desired) await volumes.ensure(desired, signal);
      } catch (error) {
        memory.areVolumesDue = true;
        throw error;
      }
    },

    startSandbox: (scene, { attempt }, signal) =>
      withEvents(scene, async () => {
        const pod = podOf(scene);
        if (attempt > 0) {
          const message = 'Pod sandbox changed, it will be killed and re-created.';
          events.pod(pod, { type: 'Normal', reason: 'SandboxChanged', message });
        }
        await sandboxes.start(pod, attempt, await cgroups.ensure(pod), signal);
      }),

    attachNetwork: (scene, { sandbox }, signal) =>
      withEvents(scene, () => sandboxes.attach(podOf(scene), sandbox, signal)),

    startContainer: async (scene, { wish, sandbox, restartCount, backOffSeconds }, signal) => {
      const pod = podOf(scene);
      const { container, kind } = wish;
      const { desired, observed } = scene;
      const field = `spec.${fields[kind]}{${container.name}}`;
      const image = await images.ensure({ pod, container, field }, signal);
      const mounted = await mountedImages(pod, container, signal);
      const podIps = addresses(scene);
      const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
      const logged = restartCount === 0 ? await links.lastRestartCount(identityOfPod(pod), container.name) : undefined;
      await containers.start(
        {
          pod,
          kind,
          container,
          // Docker may have lost what the logs still tell of.
          restartCount: logged === undefined || isKnown(observed, container.name) ? restartCount : logged + 1,
          backOffSeconds,
          specHash: specHash(container),
          sandboxId: sandbox.id,
          targetId: targetOf(scene, container.name),
          cgroupParent: await cgroups.ensure(pod),
          image,
          downward: { nodeName: node.name, hostIps: node.hostIps(), podIps, allocatable: node.allocatable() },
          devices: desired && container.volumeDevices ? await volumes.devicesFor(desired, container) : [],
          podFiles: await sandboxes.files(pod, podIps, taken),
          mounts: (env) =>
            desired ? volumes.mountsFor(desired, container, { env, images: mounted }, signal) : Promise.resolve([]),
        },
        signal,
      );
    },

    backOff: ({ desired, uid }, { wish, delaySeconds }) => {
      const { name } = wish.container;
      const known = memories.of(uid).waiting.get(name);
      const full = desired ? `${desired.pod.metadata.name}_${desired.pod.metadata.namespace}(${uid})` : uid;
      const message = `back-off ${backOffText(delaySeconds)} restarting failed container=${name} pod=${full}`;
      // Said once per wait, not once per look.
      if (desired && known?.message !== message) {
        const text = `Back-off restarting failed container ${name} in pod ${full}`;
        const container = `spec.${fields[wish.kind]}{${name}}`;
        events.pod(desired.pod, { type: 'Warning', reason: 'BackOff', message: text, container });
      }
      return { reason: 'CrashLoopBackOff', message };
    },

    stopSandbox: (_scene, { sandbox }, signal) => sandboxes.stop(sandbox, signal),

    removeContainer: ({ observed, uid }, { container }, signal) =>
      containers.remove({ uid, name: observed.name, namespace: observed.namespace }, container, signal),

    removeSandbox: (_scene, { sandbox }, signal) => sandboxes.remove(sandbox, signal),

    releasePod: async ({ uid, observed }, signal) => {
      // A sandbox that died by itself still holds its address.
      for (const sandbox of observed.sandboxes) await sandboxes.stop(sandbox, signal);
      await volumes.remove(uid, signal);
      await cgroups.remove(uid);
      memories.of(uid).terminated = true;
    },

    forgetPod: async ({ uid, observed }, signal) => {
      await volumes.forget(uid, signal);
      await cgroups.remove(uid);
      if (observed.name !== '') {
        await links.removeAll({ uid, name: observed.name, namespace: observed.namespace });
      }
    },

    waitingFor: (error) => {
      if (error instanceof ImageError) {
        return { waiting: { reason: error.reason, message: error.message }, retryAtMs: error.retryAtMs };
      }
      if (error instanceof ContainerStartError) {
        return { waiting: { reason: error.reason, message: error.message }, retryAtMs: undefined };
      }
      return undefined;
    },
  };
}

const isKnown = (observed: ObservedPod, name: string): boolean =>
  observed.containers.some((container) => container.name === name);

/** An ephemeral container may see the processes of one that runs. */
function targetOf({ desired, observed }: Scene, name: string): string | undefined {
  const spec = desired?.pod.spec.ephemeralContainers?.find((container) => container.name === name);
  const target = spec?.targetContainerName;
  return observed.containers.find((container) => container.name === target && container.phase === 'running')?.id;
}
