// How much a pod asks for: containers together, or the most that one init container needs beside the sidecars before it. Follows KEP-753 and KEP-2837.
import { parseQuantity } from '../../../kube/quantity.ts';
import type { Container, Pod } from '../../../kube/types.ts';
import type { Amounts, HostPort } from '../model.ts';

type Requests = Readonly<Record<string, string | number>>;

/** What upstream supposes of containers that do not say, so that they do not all land on one node. */
const presumedRequests: Requests = { cpu: '100m', memory: 200 * 1024 * 1024 };

export function podRequests(pod: Pod): Map<string, bigint> {
  return sumOver(pod, ({ resources }) => amounts(resources?.requests));
}

export function presumedPodRequests(pod: Pod): Map<string, bigint> {
  return sumOver(pod, ({ resources }) => amounts({ ...presumedRequests, ...resources?.requests }));
}

export function amounts(requests: Requests = {}): Map<string, bigint> {
  return new Map(Object.entries(requests).map(([name, text]) => [name, parseQuantity(text).nano]));
}

export function add(sum: Map<string, bigint>, more: Amounts): Map<string, bigint> {
  for (const [name, amount] of more) sum.set(name, (sum.get(name) ?? 0n) + amount);
  return sum;
}

function sumOver({ spec }: Pod, requestsOf: (container: Container) => Map<string, bigint>): Map<string, bigint> {
  const sidecars = new Map<string, bigint>();
  const starting = new Map<string, bigint>();
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') raise(starting, add(sidecars, requestsOf(container)));
    else raise(starting, add(new Map(sidecars), requestsOf(container)));
  }
  const running = new Map(sidecars);
  for (const container of spec.containers) add(running, requestsOf(container));
  raise(running, starting);
  for (const [name, amount] of amounts(spec.resources?.requests)) running.set(name, amount);
  return add(running, amounts(spec.overhead));
}

/** The greater of each amount. */
function raise(sum: Map<string, bigint>, other: Amounts): void {
  for (const [name, amount] of other) if (amount > (sum.get(name) ?? 0n)) sum.set(name, amount);
}

export function podHostPorts({ spec }: Pod): HostPort[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...spec.containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol }) =>
      hostPort ? [{ ip: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port: hostPort }] : [],
    ),
  );
}
