// A container that has ended for good does not come back to life in the status.
import type { ContainerStatus, Pod, PodStatus } from '../../../kube/types.ts';
import type { ContainerStatuses } from './containers.ts';
import { restartsAfter, wishesOf } from './wishes.ts';

type Lists = Pick<PodStatus, 'containerStatuses' | 'initContainerStatuses'>;

const listsOf = ({
  initContainerStatuses = [],
  containerStatuses = [],
}: Lists): Omit<ContainerStatuses, 'ephemeral'> => ({
  init: initContainerStatuses,
  app: containerStatuses,
});

const named = (list: readonly ContainerStatus[], name: string): ContainerStatus | undefined =>
  list.find((status) => status.name === name);

/** The name of the first container that would come back from an end that is final; undefined where all is well. */
export function resurrected(pod: Pod, before: PodStatus, after: PodStatus): string | undefined {
  const [old, next] = [listsOf(before), listsOf(after)];
  const { init, app } = wishesOf(pod);
  const found = [...init, ...app].find(({ kind, container }) => {
    const list = kind === 'app' ? 'app' : 'init';
    const end = named(old[list], container.name)?.state?.terminated;
    const now = named(next[list], container.name)?.state;
    if (!end || !now || now.terminated || kind === 'sidecar') return false;
    // Init containers run again, whatever they ended with, when the sandbox is new.
    return kind === 'app' && !restartsAfter(pod, container, end.exitCode);
  });
  return found?.container.name;
}
