// fieldRef and resourceFieldRef: what a pod may learn of itself through its environment.
import { parseQuantity } from '../../../kube/quantity.ts';
import type { Container, Pod } from '../../../kube/types.ts';
import { ContainerConfigError } from './errors.ts';

export interface DownwardFacts {
  readonly nodeName: string;
  readonly hostIps: readonly string[];
  readonly podIps: readonly string[];
  /** What a container without limits may use: "cpu", "memory", "ephemeral-storage". */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The value of one fieldPath. Throws on a path that the environment cannot have. */
export function fieldValue(pod: Pod, fieldPath: string, facts: DownwardFacts): string {
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath);
  if (keyed) {
    const table = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations;
    const key = keyed[2] ?? '';
    return table && Object.hasOwn(table, key) ? (table[key] ?? '') : '';
  }
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace;
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'spec.nodeName':
      return facts.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return facts.hostIps[0] ?? '';
    case 'status.hostIPs':
      return facts.hostIps.join(',');
    case 'status.podIP':
      return facts.podIps[0] ?? '';
    case 'status.podIPs':
      return facts.podIps.join(',');
    default:
      throw new ContainerConfigError(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** The value of one resource, "limits.cpu", in units of the divisor, rounded up. */
export function resourceValue(
  container: Container,
  resource: string,
  divisor: string | number | undefined,
  facts: DownwardFacts,
): string {
  const [list = '', ...rest] = resource.split('.');
  const name = rest.join('.');
  if ((list !== 'limits' && list !== 'requests') || name === '') {
    throw new ContainerConfigError(`unsupported container resource : ${resource}`);
  }
  const own = container.resources?.[list];
  const stated = own && Object.hasOwn(own, name) ? own[name] : undefined;
  const isMissing = stated === undefined || parseQuantity(stated).nano === 0n;
  const fallback = list === 'limits' && Object.hasOwn(facts.allocatable, name) ? facts.allocatable[name] : '0';
  const quantity = parseQuantity(isMissing ? (fallback ?? '0') : stated);
  const unit = parseQuantity(divisor === undefined || `${divisor}` === '0' ? '1' : divisor);
  return String((quantity.nano + unit.nano - 1n) / unit.nano);
}
