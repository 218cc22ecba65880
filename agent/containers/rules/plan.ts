// From a container's spec to its ContainerPlan.
import type { Container, Pod } from '../../../kube/types.ts';
import type { BindMount, ContainerPlan, DeviceMapping } from '../../docker/engine.ts';
import { ContainerConfigError } from './errors.ts';
import { expand } from './expand.ts';
import { containerResources, oomScoreOf } from './resources.ts';
import { type SecurityFacts, securityOf } from './security.ts';

export interface ContainerFacts extends SecurityFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The image's id: what was pulled, not what a tag says by now. */
  readonly imageId: string;
  readonly env: ReadonlyMap<string, string>;
  readonly mounts: readonly BindMount[];
  readonly devices?: readonly DeviceMapping[];
  readonly sandboxId: string;
  /** An ephemeral container's target, whose processes it sees. */
  readonly targetId: string | undefined;
  readonly cgroupParent: string | undefined;
  readonly cgroupVersion: 1 | 2;
  readonly nodeMemoryBytes: number;
  readonly log: { readonly maxSizeBytes: number; readonly maxFiles: number };
}

/** Throws `ContainerConfigError` on values that the engine would cut or misread. */
export function containerPlan(pod: Pod, container: Container, facts: ContainerFacts): ContainerPlan {
  const { hostNetwork = false, hostPID = false, shareProcessNamespace = false } = pod.spec;
  const words = (list: readonly string[] | undefined, what: string): readonly string[] | undefined =>
    list?.map((word) => checked(what, expand(word, facts.env)));
  const command = words(container.command, 'command');
  const args = words(container.args, 'args');
  const sandbox = `container:${facts.sandboxId}`;
  const pidMode = hostPID ? 'host' : shareProcessNamespace ? sandbox : facts.targetId && `container:${facts.targetId}`;
  const privileged = container.securityContext?.privileged === true;
  return {
    name: facts.name,
    image: facts.imageId,
    labels: facts.labels,
    ...(command && command.length > 0 ? { entrypoint: command } : {}),
    ...(args && args.length > 0 ? { command: args } : {}),
    env: [...facts.env].map(([name, value]) => `${name}=${value}`),
    ...(container.workingDir ? { workingDir: workingDirectory(container.workingDir) } : {}),
    tty: container.tty === true,
    openStdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    networkMode: sandbox,
    ipcMode: sandbox,
    ...(hostNetwork ? { utsMode: 'host' } : {}),
    ...(pidMode ? { pidMode } : {}),
    ...(facts.cgroupVersion === 2 ? { cgroupnsMode: privileged ? 'host' : 'private' } : {}),
    ...(facts.cgroupParent === undefined ? {} : { cgroupParent: facts.cgroupParent }),
    mounts: facts.mounts,
    ...(facts.devices?.length ? { devices: facts.devices } : {}),
    resources: containerResources(pod, container),
    oomScoreAdj: oomScoreOf(pod, container, facts.nodeMemoryBytes),
    log: facts.log,
    ...securityOf(pod, container, facts),
  };
}

function checked(what: string, text: string): string {
  if (text.includes('\0')) throw new ContainerConfigError(`${what} contains a NUL character`);
  return text;
}

/** A path through /proc/<pid>/fd would lead out of the container's own file system. */
function workingDirectory(path: string): string {
  if (/^\/+proc\/+[^/]+\/+fd(\/|$)/.test(path))
    throw new ContainerConfigError(`workingDir ${JSON.stringify(path)} is not allowed`);
  return checked('workingDir', path);
}
