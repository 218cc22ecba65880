// The variables that tell a container where its namespace's services are.
import type { Service } from '../../../kube/types.ts';

const envName = (name: string): string => name.toUpperCase().replaceAll('-', '_');

function hasAddress(service: Service): boolean {
  const { clusterIP } = service.spec;
  return clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None';
}

/** Services that a pod of `namespace` hears of: its own if it wants links, and default/kubernetes unless it has one itself. */
export function visibleServices(
  services: readonly Service[],
  namespace: string,
  wantsLinks: boolean,
): readonly Service[] {
  const byName = new Map<string, Service>();
  const master = services.find(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes');
  if (master && hasAddress(master)) byName.set('kubernetes', master);
  for (const service of services) {
    if (!hasAddress(service) || service.metadata.namespace !== namespace) continue;
    if (wantsLinks) byName.set(service.metadata.name, service);
  }
  return [...byName.values()];
}

/** The variables of all services, as [name, value] pairs. */
export function serviceEnv(services: readonly Service[]): [string, string][] {
  return services.flatMap(oneService);
}

function oneService({ metadata, spec }: Service): [string, string][] {
  const name = envName(metadata.name);
  const ip = spec.clusterIP ?? '';
  const ports = spec.ports ?? [];
  const [first] = ports;
  if (!first) return [];
  const url = (port: { port: number; protocol?: string }): string =>
    `${(port.protocol ?? 'TCP').toLowerCase()}://${ip.includes(':') ? `[${ip}]` : ip}:${port.port}`;
  const named = ports.filter((port) => port.name);
  return [
    [`${name}_SERVICE_HOST`, ip],
    [`${name}_SERVICE_PORT`, `${first.port}`],
    ...named.map((port): [string, string] => [`${name}_SERVICE_PORT_${envName(port.name ?? '')}`, `${port.port}`]),
    [`${name}_PORT`, url(first)],
    ...ports.flatMap((port): [string, string][] => {
      const protocol = port.protocol ?? 'TCP';
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      return [
        [prefix, url(port)],
        [`${prefix}_PROTO`, protocol.toLowerCase()],
        [`${prefix}_PORT`, `${port.port}`],
        [`${prefix}_ADDR`, ip],
      ];
    }),
  ];
}
