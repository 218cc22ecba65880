// The nouns that the agent's rooms share: data, and the interfaces that the loop hands from one room to another.
import type { ConfigMap, Container, Pod, Secret, Service } from '../kube/types.ts';
import type { BindMount, ContainerPhase, ContainerResources, DeviceMapping, ImageDetail } from './docker/engine.ts';

// ---- what is wanted ----

/** A pod that somebody wants on this node. `uid` keys everything; a static pod's is its own, not its mirror's. */
export interface DesiredPod {
  readonly uid: string;
  readonly pod: Pod;
  readonly source: 'api' | 'file' | 'http';
}

/** Why and how fast a pod must go. Grace may only shrink; the phase that is reported is terminal. */
export interface Termination {
  readonly graceSeconds: number;
  readonly because: string;
  /** Status that the pod ends with, for those the node ends by itself (Evicted, DeadlineExceeded, Preempting …). */
  readonly status?: {
    readonly reason: string;
    readonly message: string;
    /** The DisruptionTarget condition's message, where the pod goes for the node's sake, not by its own fault. */
    readonly disruption?: string;
  };
}

/** A pod that this node refuses to run: phase Failed, reason and message as upstream says them. */
export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

// ---- what is there ----

export interface ObservedSandbox {
  readonly id: string;
  /** 0 for a pod's first sandbox. */
  readonly attempt: number;
  readonly phase: ContainerPhase;
  readonly createdAtMs: number;
  /** 0 unless running. */
  readonly pid: number;
  readonly hostNetwork: boolean;
  /** The pod's addresses, first the primary one. Empty for host network and before the network is ready. */
  readonly ips: readonly string[];
}

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly restartCount: number;
  readonly phase: ContainerPhase;
  readonly createdAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** The engine's words when it could not be started. */
  readonly error: string;
  /** The image as the spec named it, and as the API shows it. */
  readonly image: string;
  readonly imageId: string;
  /** Hash of {name, image} at creation: another one means another container is wanted. */
  readonly specHash: string;
  readonly pid: number;
  /** Last words, read after it exited, at most 4096 bytes. */
  readonly terminationMessage: string;
  readonly resources: ContainerResources;
  /** Paths in it below which everything is read-only. */
  readonly recursivelyReadOnly?: readonly string[];
  /** How long to wait after its end before the next start. Absent where another agent made it. */
  readonly backOffSeconds?: number;
}

/** What the engine has of one pod, dead containers included. Newest first: sandboxes by attempt, containers by restart. */
export interface ObservedPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

// ---- what is known besides ----

/** What the probes say of one running container. Undefined: no such probe, or no verdict yet. */
export interface ProbeVerdict {
  readonly started: boolean | undefined;
  readonly ready: boolean | undefined;
  readonly alive: boolean | undefined;
}

/** Why a container is not running although it should: Waiting's reason and message. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

/** Everything that rules may know about a pod beside the wish and the look. */
export interface PodFacts {
  readonly nodeName: string;
  /** The node's addresses, primary first, one per family. */
  readonly hostIps: readonly string[];
  /** By container id. */
  readonly probes: ReadonlyMap<string, ProbeVerdict>;
  /** By container name: the last failure to start, or the back-off it is in. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  readonly termination: Termination | undefined;
  readonly rejection: Rejection | undefined;
  /** Everything of the pod is stopped, and will stay so. */
  readonly terminated: boolean;
  /** Undefined: its containers have the resources that it asks for. */
  readonly resize?: ResizeFacts | undefined;
}

/** How far a change of a pod's resources is. */
export interface ResizeFacts {
  /** The node has no room for it yet. */
  readonly pending: WaitingReason | undefined;
  /** Granted, and not all containers have it; the error where the last try failed. */
  readonly inProgress: { readonly error: string | undefined } | undefined;
}

/** Room that something takes on a disk. */
export interface DiskUsage {
  readonly bytes: number;
  readonly inodes: number;
}

/** What a running pod uses now: what eviction decides by. Disks are measured now and then; absent until they were. */
export interface PodUsage {
  readonly uid: string;
  /** The working set: what cannot be taken back at once. */
  readonly memoryBytes: number;
  readonly processes: number;
  readonly containers: readonly {
    readonly name: string;
    readonly memoryBytes: number;
    /** The writable layer. */
    readonly rootFs?: DiskUsage;
    readonly logs?: DiskUsage;
  }[];
  readonly volumes: readonly (DiskUsage & { readonly name: string; readonly isOnDisk: boolean })[];
}

// ---- what to do ----

/** The kinds of containers in a pod's life: a sidecar is an init container with restartPolicy Always. */
export type ContainerKind = 'init' | 'sidecar' | 'app' | 'ephemeral';

export interface ContainerWish {
  readonly kind: ContainerKind;
  readonly container: Container;
}

/** One step towards the wish, safe to repeat. `because` is the log line, the event and the test's proof. */
export type PodAction = { readonly because: string } & (
  | { readonly do: 'EnsureVolumes' }
  | { readonly do: 'StartSandbox'; readonly attempt: number }
  | { readonly do: 'AttachNetwork'; readonly sandbox: ObservedSandbox }
  | {
      readonly do: 'StartContainer';
      readonly wish: ContainerWish;
      readonly sandbox: ObservedSandbox;
      readonly restartCount: number;
      /** What its own successor will have to wait. */
      readonly backOffSeconds: number;
    }
  | {
      readonly do: 'BackOff';
      readonly wish: ContainerWish;
      readonly delaySeconds: number;
      readonly untilMs: number;
    }
  | {
      readonly do: 'StopContainer';
      readonly container: ObservedContainer;
      readonly graceSeconds: number;
      /** Ids of containers that must have stopped first, within the same grace. */
      readonly after: readonly string[];
    }
  /** Gives running containers, and their pod's cgroup, other resources. */
  | { readonly do: 'ResizePod'; readonly containers: readonly ObservedContainer[] }
  | { readonly do: 'StopSandbox'; readonly sandbox: ObservedSandbox }
  | { readonly do: 'RemoveContainer'; readonly container: ObservedContainer }
  | { readonly do: 'RemoveSandbox'; readonly sandbox: ObservedSandbox }
  /** Unmounts its volumes and removes its cgroup; logs and dead containers stay. */
  | { readonly do: 'ReleasePod' }
  /** Removes its directories and its logs too. */
  | { readonly do: 'ForgetPod' }
);

// ---- what rooms are handed by the loop ----

/** Objects that pods refer to. `undefined`: it does not exist. Throws when the API cannot tell. */
export interface PodObjects {
  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal?: AbortSignal): Promise<Secret | undefined>;
  /** Services of the pod's namespace and "default/kubernetes", for service variables. */
  services(namespace: string): readonly Service[];
  /** A token for the pod's service account, bound to the pod; cached until 80 % of its life. */
  serviceAccountToken(pod: Pod, audience: string, expirationSeconds: number, signal?: AbortSignal): Promise<string>;
  /** Which objects the pods use now; the others are not watched any more. */
  retain(pods: readonly Pod[]): void;
  /** Called with "namespace/name" when an object in use has changed. */
  onChange(listener: (kind: 'ConfigMap' | 'Secret', namespace: string, name: string) => void): () => void;
}

/** Mounts of one container, in the order the spec gives them. */
export type ContainerMounts = readonly BindMount[];

/** What a container's mounts depend on besides its spec. */
export interface MountContext {
  /** For subPathExpr. */
  readonly env: Readonly<Record<string, string>>;
  /** By volume: the image that an image volume shows, present on this node. */
  readonly images?: ReadonlyMap<string, MountedImage>;
}

export type MountedImage = Pick<ImageDetail, 'id' | 'layers'>;

/** A pod's volumes: made ready before its containers, gone before the pod is. */
export interface Volumes {
  /** Makes every volume that the pod's containers use ready. Repeatable. Throws `VolumeError` where one cannot be (yet). */
  ensure(desired: DesiredPod, signal: AbortSignal): Promise<void>;
  /** The binds of one container, subPaths resolved safely. Throws `VolumeError`. */
  mountsFor(
    desired: DesiredPod,
    container: Container,
    context: MountContext,
    signal: AbortSignal,
  ): Promise<ContainerMounts>;
  /** The block devices of one container. Throws `VolumeError`. */
  devicesFor(desired: DesiredPod, container: Container): Promise<readonly DeviceMapping[]>;
  /** Unmounts and removes all of a pod's volumes; logs and last words stay. Repeatable; throws while one is busy. */
  remove(uid: string, signal: AbortSignal): Promise<void>;
  /** Removes the whole directory of a pod that nobody knows any more, its volumes first. Repeatable; throws while one is busy. */
  forget(uid: string, signal: AbortSignal): Promise<void>;
  /** UIDs that have a directory below the root. */
  known(): Promise<readonly string[]>;
}

/** A volume that cannot be made ready: the FailedMount event's text is the message. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
  readonly volume: string;

  constructor(volume: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.volume = volume;
  }
}

/** Says things about objects. Never throws, never blocks; drops and counts when the API is away too long. */
export interface EventSink {
  pod(pod: Pod, event: PodEvent): void;
  node(event: Omit<PodEvent, 'container'>): void;
}

export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** The field path of the container it is about: "spec.containers{web}". */
  readonly container?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The pod's network: attached once its sandbox runs, released once it does not. */
export interface PodNetwork {
  /** Undefined when ready, else why not ("cni config uninitialized"). */
  notReady(): string | undefined;
  /** Gives the sandbox its addresses, primary first. Repeatable: answers the same for the same sandbox. */
  attach(sandbox: { id: string; pid: number }, pod: Pod, signal: AbortSignal): Promise<readonly string[]>;
  /** Returns the addresses. Repeatable; works when the sandbox is gone. */
  detach(sandboxId: string, signal: AbortSignal): Promise<void>;
  /** The addresses given to a sandbox, from this process's memory or from disk. */
  addresses(sandboxId: string): Promise<readonly string[]>;
  /** Sandboxes that hold addresses, so that those of vanished ones can be released. */
  attached(): Promise<readonly string[]>;
}
