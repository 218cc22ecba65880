// Which containers a pod has, of which kind, and what is known of each.
import { createHash } from 'node:crypto';
import type { Container, Pod } from '../../../kube/types.ts';
import type { ContainerWish, ObservedContainer, ObservedPod } from '../../model.ts';

export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

export const initWishes = (pod: Pod): readonly ContainerWish[] =>
  (pod.spec.initContainers ?? []).map((container) => ({ kind: isSidecar(container) ? 'sidecar' : 'init', container }));

export const appWishes = (pod: Pod): readonly ContainerWish[] =>
  pod.spec.containers.map((container) => ({ kind: 'app', container }));

/** An ephemeral container carries the fields of a container and a target besides. */
export const ephemeralWishes = (pod: Pod): readonly ContainerWish[] =>
  (pod.spec.ephemeralContainers ?? []).map((container) => ({ kind: 'ephemeral', container: container as Container }));

/** The newest record of that name, in whichever sandbox. */
export const newestOf = (observed: ObservedPod, name: string): ObservedContainer | undefined =>
  observed.containers.find((container) => container.name === name);

/** Hash of name and image only: another image is another container, nothing else in a spec can change. */
export function specHash(container: Pick<Container, 'name' | 'image'>): string {
  const text = JSON.stringify([container.name, container.image ?? '']);
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Containers of other agents have no hash that we could compare. */
export const isOutdated = (observed: ObservedContainer, container: Container): boolean =>
  observed.specHash !== '' && observed.specHash !== specHash(container);
