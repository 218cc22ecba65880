// What must be there before the first client comes: the default namespace, and the `kubernetes` Service that leads to this server.
import { addressAt, type Cidr, formatAddress } from '../../host/cidr.ts';
import type { Parts, Request } from './context.ts';
import type { ApiObject, JsonObject, User } from './model.ts';
import type { Registry } from './registry.ts';
import { sameJson } from './rules/patch/merge.ts';
import { StatusError } from './rules/status-error.ts';

const self: User = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };
const labels = { component: 'apiserver', provider: 'kubernetes' };

export interface Advertised {
  readonly address: string;
  readonly port: number;
  readonly serviceCidr: Cidr;
}

const isCode = (error: unknown, code: number): boolean => error instanceof StatusError && error.code === code;

/** Makes the objects, or brings them up to date. Safe to repeat. */
export async function bootstrap(parts: Parts, registry: Registry, advertised: Advertised): Promise<void> {
  const ensure = async (kindName: string, namespace: string, wanted: ApiObject): Promise<void> => {
    const kind = parts.kinds.find((one) => one.kind === kindName);
    if (!kind) throw new Error(`"${kindName}" is not served`);
    const request: Request = {
      ...{ kind, namespace, name: wanted.metadata.name, subresource: '', user: self },
      ...{ dryRun: false, fieldManager: '', fieldValidation: 'Ignore' as const, warnings: [] },
    };
    try {
      await registry.create(request, structuredClone(wanted));
    } catch (error) {
      if (!isCode(error, 409)) throw error;
      await registry.update(request, (current) => merged(current, wanted));
    }
  };
  await ensure('Namespace', '', objectOf('v1', 'Namespace', 'default', {}));
  for (const [kind, wanted] of kubernetesService(advertised)) await ensure(kind, 'default', wanted);
}

/** Ours wins where it differs; what others added stays. */
function merged(current: ApiObject, wanted: ApiObject): ApiObject {
  const { apiVersion: _, kind: __, metadata, ...fields } = wanted;
  const all = { ...current, ...fields };
  for (const [name, value] of Object.entries(fields)) {
    const before = current[name];
    const both = typeof before === 'object' && before !== null && !Array.isArray(before) && !Array.isArray(value);
    if (both) all[name] = { ...before, ...(value as JsonObject) };
  }
  const same = sameJson({ ...current.metadata.labels, ...metadata.labels }, current.metadata.labels ?? {});
  return same
    ? all
    : { ...all, metadata: { ...current.metadata, labels: { ...current.metadata.labels, ...metadata.labels } } };
}

function objectOf(
  apiVersion: string,
  kind: string,
  name: string,
  fields: JsonObject,
  with_?: Record<string, string>,
): ApiObject {
  return { apiVersion, kind, metadata: { name, ...(with_ ? { labels: with_ } : {}) }, ...fields };
}

function kubernetesService({ address, port, serviceCidr }: Advertised): [string, ApiObject][] {
  const clusterIP = formatAddress(addressAt(serviceCidr, 1n));
  const https = { name: 'https', port, protocol: 'TCP' };
  const spec = {
    type: 'ClusterIP',
    clusterIP,
    ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
  };
  const mirrored = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  const slice = {
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    ports: [https],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  };
  return [
    ['Service', objectOf('v1', 'Service', 'kubernetes', { spec }, labels)],
    [
      'Endpoints',
      objectOf(
        'v1',
        'Endpoints',
        'kubernetes',
        { subsets: [{ addresses: [{ ip: address }], ports: [https] }] },
        mirrored,
      ),
    ],
    [
      'EndpointSlice',
      objectOf('discovery.k8s.io/v1', 'EndpointSlice', 'kubernetes', slice, {
        'kubernetes.io/service-name': 'kubernetes',
      }),
    ],
  ];
}
