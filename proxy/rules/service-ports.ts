// What a Service object asks for in one family, every value checked again: the API server is not trusted with rule text.
import { type Family, formatAddress } from '../../host/cidr.ts';
import type { ServicePort as ApiPort, Service } from '../../kube/types.ts';
import type { Protocol, ServicePort } from '../model.ts';
import { isReachable, readAddress, usableAddresses, usableCidrs } from './addresses.ts';

export interface ReadService {
  readonly ports: readonly ServicePort[];
  /** Values that were left out. */
  readonly problems: readonly string[];
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
const defaultAffinitySeconds = 10_800;

/** Whether this proxy has anything to do with a Service: it has an address and no other proxy was named for it. */
export function isProxied({ metadata, spec }: Service): boolean {
  if (metadata.labels && Object.hasOwn(metadata.labels, proxyNameLabel)) return false;
  return (
    spec.type !== 'ExternalName' && spec.clusterIP !== undefined && spec.clusterIP !== '' && spec.clusterIP !== 'None'
  );
}

/** The ports of a Service in `family`; none where it has no address in it. */
export function readService(service: Service, family: Family): ReadService {
  const problems: string[] = [];
  const clusterIp = isProxied(service) ? clusterIpOf(service, family, problems) : undefined;
  if (clusterIp === undefined) return { ports: [], problems };
  const shared = sharedFields(service, family, problems);
  const ports = (service.spec.ports ?? []).flatMap((port) => {
    const own = readPort(port);
    if (typeof own === 'string') {
      problems.push(own);
      return [];
    }
    const name = `${service.metadata.namespace}/${service.metadata.name}`;
    return [{ ...shared, ...own, clusterIp, key: own.portName === '' ? name : `${name}:${own.portName}` }];
  });
  return { ports, problems };
}

function clusterIpOf({ spec }: Service, family: Family, problems: string[]): string | undefined {
  const wanted = family === 4 ? 'IPv4' : 'IPv6';
  const at = spec.ipFamilies?.indexOf(wanted) ?? -1;
  const text = spec.ipFamilies?.length ? spec.clusterIPs?.[at] : spec.clusterIP;
  // Objects of old API servers have clusterIP only.
  const chosen = text ?? (at === 0 ? spec.clusterIP : undefined);
  if (chosen === undefined || chosen === '') return undefined;
  const address = readAddress(chosen);
  if (!address || !isReachable(address)) {
    problems.push(`clusterIP "${String(chosen).slice(0, 60)}" is not an address that can be served`);
    return undefined;
  }
  return address.family === family ? formatAddress(address) : undefined;
}

type SharedFields = Omit<ServicePort, 'key' | 'portName' | 'protocol' | 'port' | 'nodePort' | 'clusterIp'>;

function sharedFields({ spec, status }: Service, family: Family, problems: string[]): SharedFields {
  const refuse = (field: string) => (text: string) => problems.push(`${field} "${text}" cannot be served`);
  const ingress = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [];
  const vips = ingress.filter(({ ip, ipMode }) => ip && (ipMode ?? 'VIP') === 'VIP').map(({ ip }) => ip);
  const externalIps = usableAddresses(spec.externalIPs, family, refuse('spec.externalIPs'));
  const external = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || externalIps.length > 0;
  const externalLocal = external && spec.externalTrafficPolicy === 'Local';
  const checked = spec.type === 'LoadBalancer' && externalLocal;
  return {
    externalIps,
    loadBalancerIps: usableAddresses(vips, family, refuse('status.loadBalancer.ingress')),
    sourceRanges: sourceRangesOf(spec.loadBalancerSourceRanges, family, refuse('spec.loadBalancerSourceRanges')),
    internalLocal: spec.internalTrafficPolicy === 'Local',
    externalLocal,
    affinitySeconds: spec.sessionAffinity === 'ClientIP' ? affinityOf(spec.sessionAffinityConfig?.clientIP) : 0,
    healthCheckNodePort: checked && isPort(spec.healthCheckNodePort) ? spec.healthCheckNodePort : 0,
  };
}

/** undefined: nobody is kept out. Ranges of which none can be read keep everybody out. */
function sourceRangesOf(
  texts: readonly string[] | undefined,
  family: Family,
  refused: (text: string) => void,
): readonly string[] | undefined {
  if (!texts?.length) return undefined;
  let unreadable = false;
  const ranges = usableCidrs(texts, family, (text) => {
    unreadable = true;
    refused(text);
  });
  if (ranges.some((range) => range.endsWith('/0'))) return undefined;
  // Ranges of the other family only do not restrict this one.
  return ranges.length > 0 || unreadable ? ranges : undefined;
}

function affinityOf(config: { timeoutSeconds?: number | undefined } | undefined): number {
  const seconds = config?.timeoutSeconds;
  return Number.isInteger(seconds) && Number(seconds) >= 1 && Number(seconds) <= 86_400
    ? Number(seconds)
    : defaultAffinitySeconds;
}

function readPort(port: ApiPort): Pick<ServicePort, 'portName' | 'protocol' | 'port' | 'nodePort'> | string {
  const protocol = protocols[port.protocol ?? 'TCP'];
  if (protocol === undefined) return `protocol "${String(port.protocol).slice(0, 20)}" is not TCP, UDP or SCTP`;
  if (!isPort(port.port)) return `port "${String(port.port).slice(0, 20)}" is not a port number`;
  const nodePort = isPort(port.nodePort) ? port.nodePort : 0;
  return { portName: typeof port.name === 'string' ? port.name : '', protocol, port: port.port, nodePort };
}

export function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
}

/** Whether the port answers under any address besides its clusterIP. */
export function isExternal(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.externalIps.length > 0 || port.loadBalancerIps.length > 0;
}
