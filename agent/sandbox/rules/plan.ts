// From a pod to its sandbox's ContainerPlan.
import type { Pod } from '../../../kube/types.ts';
import type { ContainerPlan } from '../../docker/engine.ts';

export interface SandboxFacts {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly kernelName: string;
  readonly cgroupParent: string | undefined;
}

const sandboxOomScore = -998;
const leastShares = 2;
const sharedMemoryBytes = 64 * 1024 * 1024;

/** Throws with upstream's words where this node cannot do what the pod asks for. */
export function sandboxPlan(pod: Pod, facts: SandboxFacts): ContainerPlan {
  const { spec } = pod;
  const { hostNetwork = false, hostIPC = false, hostPID = false, securityContext = {} } = spec;
  if (spec.hostUsers === false && !hostNetwork) throw new Error('runtime does not support user namespaces');
  const { runAsUser, runAsGroup } = securityContext;
  const groups = [securityContext.fsGroup, ...(securityContext.supplementalGroups ?? [])].filter(
    (group) => group !== undefined,
  );
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return {
    name: facts.name,
    image: facts.image,
    labels: facts.labels,
    ...(hostNetwork || !facts.kernelName ? {} : { hostname: facts.kernelName }),
    // An own network namespace that the engine leaves alone starts in half the time of its network "none".
    ...(hostNetwork ? { networkMode: 'host', utsMode: 'host' } : { networkDisabled: true }),
    ipcMode: hostIPC ? 'host' : 'shareable',
    ...(hostPID ? { pidMode: 'host' } : {}),
    ...(facts.cgroupParent === undefined ? {} : { cgroupParent: facts.cgroupParent }),
    ...(runAsUser === undefined
      ? {}
      : { user: runAsGroup === undefined ? `${runAsUser}` : `${runAsUser}:${runAsGroup}` }),
    ...(groups.length > 0 ? { groupAdd: groups.map(String) } : {}),
    privileged: all.some((container) => container.securityContext?.privileged === true),
    sysctls: Object.fromEntries(
      (securityContext.sysctls ?? []).map(({ name, value }) => [name.replaceAll('/', '.'), value]),
    ),
    resources: { cpuShares: leastShares, cpuQuotaMicros: 0, cpuPeriodMicros: 0, memoryBytes: 0 },
    oomScoreAdj: sandboxOomScore,
    shmSizeBytes: sharedMemoryBytes,
  };
}
