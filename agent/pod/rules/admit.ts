// Whether this node takes a pod at all. First failure wins; reasons and messages are upstream's.
import { milliValue, parseQuantity, value } from '../../../kube/quantity.ts';
import type { Node, Pod, Toleration } from '../../../kube/types.ts';
import type { DesiredPod, Rejection } from '../../model.ts';

export interface AdmissionFacts {
  /** All pods that this node is to run, the new one among them. */
  readonly active: readonly DesiredPod[];
  readonly node: Node | undefined;
  readonly allocatable: Readonly<Record<string, string>>;
  /** allowedUnsafeSysctls: names, or prefixes ending in "*". */
  readonly allowedSysctls: readonly string[];
}

export function admit(desired: DesiredPod, facts: AdmissionFacts): Rejection | undefined {
  return (
    forbiddenSysctl(desired.pod, facts.allowedSysctls) ??
    wrongNode(desired, facts.node) ??
    takenPort(desired, facts.active) ??
    missingResource(desired, others(desired, facts.active), facts.allocatable)
  );
}

const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  ...[
    'ip_local_port_range',
    'tcp_syncookies',
    'ping_group_range',
    'ip_unprivileged_port_start',
    'ip_local_reserved_ports',
    'tcp_keepalive_time',
    'tcp_fin_timeout',
    'tcp_keepalive_intvl',
    'tcp_keepalive_probes',
    'tcp_rmem',
    'tcp_wmem',
  ].map((name) => `net.ipv4.${name}`),
]);
const ipcSysctl = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/;

function forbiddenSysctl({ spec }: Pod, allowed: readonly string[]): Rejection | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const sysctl = name.replaceAll('/', '.');
    const isAllowed =
      safeSysctls.has(sysctl) ||
      allowed.some((pattern) => (pattern.endsWith('*') ? sysctl.startsWith(pattern.slice(0, -1)) : sysctl === pattern));
    const isNamespaced = sysctl.startsWith('net.') ? !spec.hostNetwork : ipcSysctl.test(sysctl) && !spec.hostIPC;
    if (!isAllowed) return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" not allowlisted` };
    if (!isNamespaced) {
      const message = `forbidden sysctl: "${name}" not allowed with host ${sysctl.startsWith('net.') ? 'net' : 'ipc'} enabled`;
      return { reason: 'SysctlForbidden', message };
    }
  }
  return undefined;
}

function tolerates(
  tolerations: readonly Toleration[],
  taint: { key: string; value?: string; effect: string },
): boolean {
  return tolerations.some(
    ({ key, operator = 'Equal', value: wanted = '', effect }) =>
      (!effect || effect === taint.effect) &&
      (!key ? operator === 'Exists' : key === taint.key) &&
      (operator === 'Exists' || wanted === (taint.value ?? '')),
  );
}

function wrongNode({ pod, source }: DesiredPod, node: Node | undefined): Rejection | undefined {
  if (!node) return undefined;
  const labels = node.metadata.labels ?? {};
  const wanted = Object.entries(pod.spec.nodeSelector ?? {});
  if (!wanted.every(([name, text]) => Object.hasOwn(labels, name) && labels[name] === text)) {
    const message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
    return { reason: 'NodeAffinity', message };
  }
  if (source !== 'api') return undefined;
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
  if (taints.every((taint) => tolerates(pod.spec.tolerations ?? [], taint))) return undefined;
  const message = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate";
  return { reason: 'TaintToleration', message };
}

interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

function hostPortsOf({ spec }: Pod): HostPort[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol = 'TCP', containerPort }) => {
      const port = hostPort ?? (spec.hostNetwork ? containerPort : 0);
      return port ? [{ ip: hostIP || '0.0.0.0', protocol, port }] : [];
    }),
  );
}

const isEnded = ({ pod }: DesiredPod): boolean => pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';

function others(desired: DesiredPod, active: readonly DesiredPod[]): readonly DesiredPod[] {
  return active.filter((other) => other.uid !== desired.uid && !isEnded(other) && isOlder(other, desired));
}

/** Of two that come at the same moment only one may find the other in its way. */
function isOlder(a: DesiredPod, b: DesiredPod): boolean {
  const [left, right] = [a.pod.metadata.creationTimestamp ?? '', b.pod.metadata.creationTimestamp ?? ''];
  return left < right || (left === right && a.uid < b.uid);
}

function takenPort(desired: DesiredPod, active: readonly DesiredPod[]): Rejection | undefined {
  const taken = others(desired, active).flatMap(({ pod }) => hostPortsOf(pod));
  const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';
  const clashes = hostPortsOf(desired.pod).some((own) =>
    taken.some(
      ({ ip, protocol, port }) =>
        port === own.port && protocol === own.protocol && (ip === own.ip || isAny(ip) || isAny(own.ip)),
    ),
  );
  if (!clashes) return undefined;
  return {
    reason: 'NodePorts',
    message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  };
}

/** In the unit that messages speak: thousandths of a core, whole units of everything else. */
const amount = (name: string, text: string | number | undefined): number => {
  const quantity = parseQuantity(text ?? '0');
  return name === 'cpu' ? milliValue(quantity) : value(quantity);
};

function requestsOf({ spec }: Pod, name: string): number {
  const of = (resources: { requests?: unknown } | undefined): number =>
    amount(name, (resources?.requests as Record<string, string> | undefined)?.[name]);
  if ((spec.resources?.requests as Record<string, string> | undefined)?.[name] !== undefined) return of(spec.resources);
  let sidecars = 0;
  let most = 0;
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') sidecars += of(container.resources);
    else most = Math.max(most, sidecars + of(container.resources));
  }
  const running = spec.containers.reduce((sum, { resources }) => sum + of(resources), sidecars);
  const overhead = amount(name, (spec.overhead as Record<string, string> | undefined)?.[name]);
  return Math.max(most, running) + overhead;
}

/** Why a pod that runs here cannot grow to what it asks for: the others have what they were granted. */
export function lacksRoom(
  desired: DesiredPod,
  { active, allocatable }: Pick<AdmissionFacts, 'active' | 'allocatable'>,
): Rejection | undefined {
  const rest = active.filter((other) => other.uid !== desired.uid && !isEnded(other));
  return missingResource(desired, rest, allocatable);
}

function missingResource(
  desired: DesiredPod,
  before: readonly DesiredPod[],
  allocatable: Readonly<Record<string, string>>,
): Rejection | undefined {
  const words = (name: string, requested: number, used: number, capacity: number): Rejection => ({
    reason: `OutOf${name}`,
    message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  });
  const maxPods = amount('pods', allocatable['pods']);
  if (allocatable['pods'] !== undefined && before.length + 1 > maxPods) return words('pods', 1, before.length, maxPods);
  for (const name of Object.keys(allocatable)) {
    if (name === 'pods') continue;
    const requested = requestsOf(desired.pod, name);
    if (requested === 0) continue;
    const used = before.reduce((sum, { pod }) => sum + requestsOf(pod, name), 0);
    const capacity = amount(name, allocatable[name]);
    if (requested + used > capacity) return words(name, requested, used, capacity);
  }
  return undefined;
}
