// What the agent needs of a container engine, and nothing more. dockerode stays behind it; the fake passes the same contract test.
import type { Readable, Writable } from 'node:stream';

export type EngineErrorReason =
  | 'NotFound'
  | 'Conflict'
  | 'NotModified'
  | 'Invalid'
  | 'Refused'
  /** No answer within the call's deadline. */
  | 'TimedOut'
  /** The socket is not there or broke off. */
  | 'Unreachable'
  | 'ServerError';

/** A call to the engine that failed. The message says what could not be done and quotes the engine's words. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly reason: EngineErrorReason;
  /** The engine's own words, without ours around them. */
  readonly detail: string;

  constructor(what: string, facts: { reason: EngineErrorReason; detail?: string; cause?: unknown }) {
    super(facts.detail ? `${what}: ${facts.detail}` : `${what}: ${facts.reason}`, { cause: facts.cause });
    this.reason = facts.reason;
    this.detail = facts.detail ?? facts.reason;
  }
}

export interface EngineInfo {
  /** "20.10.24" */
  readonly version: string;
  /** The API version agreed on, "1.41". */
  readonly apiVersion: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly cgroupVersion: 1 | 2;
  /** Where images and containers lie on this host: the image file system. */
  readonly dataRoot: string;
  readonly runtimes: readonly string[];
  readonly defaultLogDriver: string;
}

export type ContainerPhase = 'created' | 'running' | 'exited';

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly phase: ContainerPhase;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface ContainerDetail extends ContainerSummary {
  /** The image reference given at creation. */
  readonly image: string;
  /** 0 unless running. A pid of the host. */
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** The engine's words when the container could not be started. */
  readonly error: string;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly logPath: string;
  readonly networkMode: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly user: string;
  readonly resources: ContainerResources;
  /** Paths in the container below which everything is read-only. */
  readonly recursivelyReadOnly?: readonly string[];
}

/** In the engine's units: shares, microseconds, bytes. 0 is "not set". */
export interface ContainerResources {
  readonly cpuShares: number;
  readonly cpuQuotaMicros: number;
  readonly cpuPeriodMicros: number;
  readonly memoryBytes: number;
}

export interface BindMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
  readonly propagation: 'rprivate' | 'rslave' | 'rshared';
  /** Mounts below it are read-only as well. Needs Docker 25. */
  readonly isRecursivelyReadOnly?: boolean;
  /** The id of an image that is mounted instead of a path of the host: `hostPath` is then one in it, "" for all. Needs Docker 28. */
  readonly imageId?: string;
}

/** A device of the host in a container. */
export interface DeviceMapping {
  readonly hostPath: string;
  readonly containerPath: string;
  /** "mrw": may make, read and write it. */
  readonly permissions: string;
}

/** Everything that a container is created from. What is absent is left to the engine's default. */
export interface ContainerPlan {
  readonly name: string;
  /** An image id or reference that is present. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** "NAME=value" */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly groupAdd?: readonly string[];
  readonly tty?: boolean;
  readonly openStdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly stopSignal?: string;
  /** True: an own network namespace that the engine does not touch. */
  readonly networkDisabled?: boolean;
  /** "host", "none" or "container:<id>" */
  readonly networkMode?: string;
  readonly ipcMode?: string;
  readonly pidMode?: string;
  readonly utsMode?: string;
  readonly cgroupnsMode?: 'host' | 'private';
  readonly cgroupParent?: string;
  readonly mounts?: readonly BindMount[];
  readonly devices?: readonly DeviceMapping[];
  readonly resources?: ContainerResources;
  readonly pidsLimit?: number;
  readonly oomScoreAdj?: number;
  readonly privileged?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly securityOpt?: readonly string[];
  readonly readOnlyRootFs?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly shmSizeBytes?: number;
  readonly runtime?: string;
  readonly log?: { readonly maxSizeBytes: number; readonly maxFiles: number };
}

export interface EngineEvent {
  readonly action: 'create' | 'start' | 'die' | 'oom' | 'destroy' | 'exec_die' | 'other';
  readonly containerId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly atMs: number;
}

/** A piece of output. With a tty everything is "stdout". */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/** A program's ends. `output` ends when the program's output did; closing `stdin` half-closes it. */
export interface EngineStream {
  readonly output: AsyncIterable<OutputChunk>;
  readonly stdin: Writable | undefined;
  resize(size: { columns: number; rows: number }): Promise<void>;
  /** Drops the connection; a program started by exec may go on. */
  close(): void;
}

export interface EngineExec extends EngineStream {
  /** The exit code, after `output` has ended. */
  exitCode(signal?: AbortSignal): Promise<number>;
  /** The host's pid of the program, 0 when it is not running (any more). */
  pid(): Promise<number>;
}

export interface LogQuery {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  /** "1700000000.000000001", seconds with nanoseconds. */
  readonly since?: string;
  /** Records from the end; undefined is all. */
  readonly tail?: number;
}

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly sizeBytes: number;
}

export interface ImageDetail extends ImageSummary {
  /** The image's own user: "", "1000", "app" or "1000:1000". */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string;
  /** Directories of this host that make up its file system, the uppermost first. Absent where it does not lie in such ones. */
  readonly layers?: readonly string[];
}

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
  readonly serverAddress: string;
  readonly identityToken?: string;
}

/** Every method throws `EngineError`; each has a deadline of its own beside `signal`. */
export interface Engine {
  info(signal?: AbortSignal): Promise<EngineInfo>;
  /** All containers, stopped ones too, that carry every label given ("" matches any value). */
  listContainers(labels: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<readonly ContainerSummary[]>;
  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerDetail>;
  /** Returns the new container's id. Throws "Conflict" where the name is taken. */
  createContainer(plan: ContainerPlan, signal?: AbortSignal): Promise<string>;
  startContainer(id: string, signal?: AbortSignal): Promise<void>;
  /** Asks politely, kills after `graceSeconds`; resolves when the container has stopped. Stopped or gone already is fine. */
  stopContainer(id: string, graceSeconds: number, signal?: AbortSignal): Promise<void>;
  killContainer(id: string, unixSignal: string, signal?: AbortSignal): Promise<void>;
  /** Forces; gone already is fine. Anonymous volumes go with it. */
  removeContainer(id: string, signal?: AbortSignal): Promise<void>;
  updateContainer(id: string, resources: ContainerResources, signal?: AbortSignal): Promise<void>;
  containerLogs(id: string, query: LogQuery, signal: AbortSignal): AsyncIterable<OutputChunk>;
  exec(
    id: string,
    plan: { command: readonly string[]; tty: boolean; stdin: boolean; stdout: boolean; stderr: boolean },
    signal?: AbortSignal,
  ): Promise<EngineExec>;
  attach(
    id: string,
    plan: { stdin: boolean; stdout: boolean; stderr: boolean },
    signal?: AbortSignal,
  ): Promise<EngineStream>;
  /** Container events from now on; ends with `signal`, throws when the connection breaks. */
  events(signal: AbortSignal): AsyncIterable<EngineEvent>;
  listImages(signal?: AbortSignal): Promise<readonly ImageSummary[]>;
  /** By id, tag or digest. Throws "NotFound". */
  inspectImage(reference: string, signal?: AbortSignal): Promise<ImageDetail>;
  /** Throws with the registry's words in `detail`. */
  pullImage(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<void>;
  removeImage(reference: string, signal?: AbortSignal): Promise<void>;
  /** Makes a one-layer image from a tar stream of its root file system. Returns its id. */
  importImage(tar: Readable, reference: string, changes: readonly string[], signal?: AbortSignal): Promise<string>;
}

const hasReason = (error: unknown, reason: EngineErrorReason): boolean =>
  error instanceof EngineError && error.reason === reason;

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isUnreachable = (error: unknown): boolean =>
  hasReason(error, 'Unreachable') || hasReason(error, 'TimedOut');
