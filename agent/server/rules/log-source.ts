// Which instance of a container a reader of logs means: the running one, the last dead one, or the one before.
import type { ContainerStatus, Pod } from '../../../kube/types.ts';

export type LogSource = { readonly id: string } | { readonly refusal: string };

const engineId = /^docker:\/\/([0-9a-f]{64})$/;
const idOf = (containerId: string | undefined): string | undefined => engineId.exec(containerId ?? '')?.[1];

/** Reads the pod's status, as upstream does: the API's users see the same instance there. */
export function logSource(pod: Pod, container: string, { previous }: { readonly previous: boolean }): LogSource {
  const name = pod.metadata.name;
  const status = statusOf(pod, container);
  if (!status) return { refusal: `container "${container}" in pod "${name}" is not available` };
  const last = idOf(status.lastState?.terminated?.containerID);
  if (previous) {
    return last ? { id: last } : { refusal: `previous terminated container "${container}" in pod "${name}" not found` };
  }
  const { running, terminated, waiting } = status.state ?? {};
  const id = (running && idOf(status.containerID)) ?? idOf(terminated?.containerID) ?? last;
  if (id) return { id };
  if (terminated) return { refusal: `container "${container}" in pod "${name}" is terminated` };
  const because = waiting ? (pullTrouble.get(waiting.reason ?? '') ?? waiting.reason ?? '') : undefined;
  const tail = because === undefined ? ' - no logs yet' : `: ${because}`;
  return { refusal: `container "${container}" in pod "${name}" is waiting to start${tail}` };
}

const pullTrouble: ReadonlyMap<string, string> = new Map([
  ['ErrImagePull', "image can't be pulled"],
  ['ImagePullBackOff', 'trying and failing to pull image'],
]);

function statusOf(pod: Pod, container: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  return all.find((status) => status.name === container);
}

/** Whether the pod's spec has such a container at all. */
export function hasContainer(pod: Pod, container: string): boolean {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  return [...containers, ...initContainers, ...ephemeralContainers].some((one) => one.name === container);
}
