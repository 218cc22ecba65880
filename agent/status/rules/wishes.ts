// A pod's containers with their kinds, and whether a container that has exited comes back.
import type { Container, Pod } from '../../../kube/types.ts';
import type { ContainerWish } from '../../model.ts';

export interface Wishes {
  /** Plain init containers and sidecars, in the order of the spec. */
  readonly init: readonly ContainerWish[];
  readonly app: readonly ContainerWish[];
  readonly ephemeral: readonly ContainerWish[];
}

export function wishesOf({ spec }: Pod): Wishes {
  return {
    init: (spec.initContainers ?? []).map((container) => ({
      kind: container.restartPolicy === 'Always' ? 'sidecar' : 'init',
      container,
    })),
    app: spec.containers.map((container) => ({ kind: 'app', container })),
    ephemeral: (spec.ephemeralContainers ?? []).map((container) => ({ kind: 'ephemeral', container })),
  };
}

function byPolicy(policy: string | undefined, exitCode: number): boolean {
  return policy === 'Never' ? false : policy === 'OnFailure' ? exitCode !== 0 : true;
}

/** The first rule of the container that speaks of this exit code wins, then its own policy, then the pod's (KEP-5307). */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (container.restartPolicy === undefined) return byPolicy(pod.spec.restartPolicy, exitCode);
  const rule = container.restartPolicyRules?.find(({ exitCodes }) => {
    const listed = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes && (exitCodes.operator === 'In' ? listed : !listed);
  });
  return rule ? true : byPolicy(container.restartPolicy, exitCode);
}
