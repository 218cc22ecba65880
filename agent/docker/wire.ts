// Docker's JSON and our nouns: pure translation in both directions.
import type {
  BindMount,
  ContainerDetail,
  ContainerPhase,
  ContainerPlan,
  ContainerResources,
  ContainerSummary,
  EngineEvent,
  ImageDetail,
  ImageSummary,
} from './engine.ts';

export interface WireSummary {
  Id: string;
  Names: string[] | null;
  ImageID: string;
  Labels: Record<string, string> | null;
  State: string;
  Created: number;
}

export interface WireDetail {
  Id: string;
  Name: string;
  Created: string;
  Image: string;
  LogPath?: string;
  State: {
    Status: string;
    Running: boolean;
    Pid: number;
    ExitCode: number;
    OOMKilled: boolean;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  Config: { Image: string; Labels: Record<string, string> | null; Tty: boolean; OpenStdin: boolean; User: string };
  HostConfig: {
    NetworkMode: string;
    CpuShares: number;
    CpuQuota: number;
    CpuPeriod: number;
    Memory: number;
    Mounts?: { Target: string; BindOptions?: { ReadOnlyForceRecursive?: boolean } }[] | null;
  };
}

export interface WireEvent {
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
  time?: number;
  timeNano?: number;
}

export interface WireImage {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Size: number;
  GraphDriver?: { Name: string; Data: Record<string, string> | null };
  Config?: {
    User?: string;
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Env?: string[] | null;
    WorkingDir?: string;
    StopSignal?: string;
  } | null;
}

/** "0001-01-01T00:00:00Z" is Docker's never. */
function timeOf(text: string): number | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) || at <= 0 ? undefined : at;
}

const running = new Set(['running', 'paused', 'restarting', 'removing']);

export function toSummary(wire: WireSummary): ContainerSummary {
  return {
    id: wire.Id,
    name: (wire.Names?.[0] ?? '').replace(/^\//, ''),
    phase: wire.State === 'created' ? 'created' : running.has(wire.State) ? 'running' : 'exited',
    imageId: wire.ImageID,
    labels: wire.Labels ?? {},
    createdAtMs: wire.Created * 1000,
  };
}

/** A container that could not be started stays "created" with an exit code: for us it has exited. */
function phaseOf(state: WireDetail['State']): ContainerPhase {
  if (state.Running) return 'running';
  if (timeOf(state.StartedAt) !== undefined) return 'exited';
  return state.ExitCode !== 0 ? 'exited' : 'created';
}

export function toDetail(wire: WireDetail): ContainerDetail {
  const recursive = (wire.HostConfig.Mounts ?? []).filter(
    ({ BindOptions: options }) => options?.ReadOnlyForceRecursive,
  );
  const phase = phaseOf(wire.State);
  return {
    id: wire.Id,
    name: wire.Name.replace(/^\//, ''),
    phase,
    imageId: wire.Image,
    image: wire.Config.Image,
    labels: wire.Config.Labels ?? {},
    createdAtMs: timeOf(wire.Created) ?? 0,
    pid: phase === 'running' ? wire.State.Pid : 0,
    exitCode: wire.State.ExitCode,
    oomKilled: wire.State.OOMKilled,
    error: wire.State.Error,
    startedAtMs: timeOf(wire.State.StartedAt),
    finishedAtMs: phase === 'exited' ? timeOf(wire.State.FinishedAt) : undefined,
    logPath: wire.LogPath ?? '',
    networkMode: wire.HostConfig.NetworkMode,
    tty: wire.Config.Tty,
    openStdin: wire.Config.OpenStdin,
    user: wire.Config.User,
    resources: {
      cpuShares: wire.HostConfig.CpuShares,
      cpuQuotaMicros: wire.HostConfig.CpuQuota,
      cpuPeriodMicros: wire.HostConfig.CpuPeriod,
      memoryBytes: wire.HostConfig.Memory,
    },
    ...(recursive.length > 0 ? { recursivelyReadOnly: recursive.map(({ Target }) => Target) } : {}),
  };
}

export function toImage(wire: WireImage): ImageDetail {
  const { Config: config } = wire;
  return {
    ...toImageSummary(wire),
    user: config?.User ?? '',
    entrypoint: config?.Entrypoint ?? [],
    command: config?.Cmd ?? [],
    env: config?.Env ?? [],
    workingDir: config?.WorkingDir ?? '',
    stopSignal: config?.StopSignal ?? '',
    ...layersOf(wire),
  };
}

function layersOf({ GraphDriver: driver }: WireImage): Pick<ImageDetail, 'layers'> {
  const { UpperDir: upper, LowerDir: lower } = driver?.Data ?? {};
  if (driver?.Name !== 'overlay2' || !upper) return {};
  return { layers: [upper, ...(lower ? lower.split(':') : [])] };
}

export function toImageSummary(wire: WireImage): ImageSummary {
  const real = (name: string): boolean => !name.startsWith('<none>');
  return {
    id: wire.Id,
    tags: (wire.RepoTags ?? []).filter(real),
    digests: (wire.RepoDigests ?? []).filter(real),
    sizeBytes: wire.Size,
  };
}

const actions = new Set<string>(['create', 'start', 'die', 'oom', 'destroy', 'exec_die']);

export function toEvent(wire: WireEvent): EngineEvent {
  const action = wire.Action ?? '';
  return {
    action: actions.has(action) ? (action as EngineEvent['action']) : 'other',
    containerId: wire.Actor?.ID ?? '',
    labels: wire.Actor?.Attributes ?? {},
    atMs: wire.timeNano === undefined ? (wire.time ?? 0) * 1000 : Math.floor(wire.timeNano / 1e6),
  };
}

/** Memory and MemorySwap go together: equal means no swap. */
export function toWireResources(of: ContainerResources): Record<string, number> {
  return {
    CpuShares: of.cpuShares,
    CpuQuota: of.cpuQuotaMicros,
    CpuPeriod: of.cpuPeriodMicros,
    Memory: of.memoryBytes,
    MemorySwap: of.memoryBytes,
  };
}

/** Whether the container has a mount that only newer versions of the API know. */
export function needsNewApi({ mounts }: ContainerPlan): boolean {
  return mounts?.some(({ imageId, isRecursivelyReadOnly }) => imageId !== undefined || isRecursivelyReadOnly) ?? false;
}

/** The newer API makes every read-only bind recursive unless told otherwise, the older one cannot be told. */
function toWireMount(mount: BindMount, isNewApi: boolean): Record<string, unknown> {
  const { hostPath, containerPath, readOnly, propagation, imageId, isRecursivelyReadOnly } = mount;
  if (imageId !== undefined) {
    const part = hostPath === '' ? {} : { ImageOptions: { Subpath: hostPath } };
    return { Type: 'image', Source: imageId, Target: containerPath, ReadOnly: true, ...part };
  }
  const recursion = isRecursivelyReadOnly ? { ReadOnlyForceRecursive: true } : { ReadOnlyNonRecursive: true };
  const options = { Propagation: propagation, ...(isNewApi && readOnly ? recursion : {}) };
  return { Type: 'bind', Source: hostPath, Target: containerPath, ReadOnly: readOnly, BindOptions: options };
}

/** The body of POST /containers/create. Absent keys are left out by JSON. */
export function toCreateBody(plan: ContainerPlan): Record<string, unknown> {
  return {
    Image: plan.image,
    Labels: plan.labels,
    Hostname: plan.hostname,
    Domainname: plan.domainname,
    Entrypoint: plan.entrypoint,
    Cmd: plan.command,
    Env: plan.env,
    WorkingDir: plan.workingDir,
    User: plan.user,
    Tty: plan.tty,
    OpenStdin: plan.openStdin,
    StdinOnce: plan.stdinOnce,
    StopSignal: plan.stopSignal,
    NetworkDisabled: plan.networkDisabled,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: plan.networkMode,
      IpcMode: plan.ipcMode,
      PidMode: plan.pidMode,
      UTSMode: plan.utsMode,
      CgroupnsMode: plan.cgroupnsMode,
      CgroupParent: plan.cgroupParent,
      Mounts: plan.mounts?.map((mount) => toWireMount(mount, needsNewApi(plan))),
      Devices: plan.devices?.map((device) => ({
        PathOnHost: device.hostPath,
        PathInContainer: device.containerPath,
        CgroupPermissions: device.permissions,
      })),
      ...(plan.resources ? toWireResources(plan.resources) : {}),
      PidsLimit: plan.pidsLimit,
      OomScoreAdj: plan.oomScoreAdj,
      Privileged: plan.privileged,
      CapAdd: plan.capAdd,
      CapDrop: plan.capDrop,
      SecurityOpt: plan.securityOpt,
      GroupAdd: plan.groupAdd,
      ReadonlyRootfs: plan.readOnlyRootFs,
      MaskedPaths: plan.maskedPaths,
      ReadonlyPaths: plan.readonlyPaths,
      Sysctls: plan.sysctls,
      ShmSize: plan.shmSizeBytes,
      Runtime: plan.runtime,
      RestartPolicy: { Name: 'no' },
      LogConfig: plan.log && {
        Type: 'json-file',
        Config: { 'max-size': String(plan.log.maxSizeBytes), 'max-file': String(plan.log.maxFiles) },
      },
    },
  };
}
