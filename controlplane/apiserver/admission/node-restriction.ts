// What a node may write: itself, its lease, and pods that are bound to it.
import type { Kind } from '../kinds/kind.ts';
import { type ApiObject, at, list, object as objectOf, text, type User } from '../model.ts';
import { sameJson } from '../rules/patch/merge.ts';
import { forbidden } from '../rules/status-error.ts';
import type { Review, Step } from './admission.ts';

/** The name of the node that asks; undefined for everybody else. */
export function nodeName(user: User): string | undefined {
  if (!user.groups.includes('system:nodes') || !user.name.startsWith('system:node:')) return undefined;
  return user.name.slice('system:node:'.length);
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** Why a node may not do this; undefined when it may. */
export function nodeRefusal(node: string, review: Review): string | undefined {
  switch (review.kind.kind) {
    case 'Node':
      return ownNode(node, review);
    case 'Pod':
      return ownPod(node, review);
    case 'Lease':
      return ownLease(node, review);
    case 'CSINode':
      return review.object.metadata.name === node
        ? undefined
        : `node "${node}" can only access CSINode with the same name as the requesting node`;
    default:
      return undefined;
  }
}

function ownNode(node: string, { object, old, operation, subresource }: Review): string | undefined {
  const { name } = object.metadata;
  if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`;
  if (operation === 'DELETE') return `node "${node}" is not allowed to delete node "${name}"`;
  const guarded = guardedLabels(object, old);
  if (guarded.length > 0) return `is not allowed to modify labels: ${guarded.join(', ')}`;
  if (!old || subresource !== '') return undefined;
  if (!sameJson(at(object, 'spec.taints') ?? [], at(old, 'spec.taints') ?? []))
    return `node "${node}" is not allowed to modify taints`;
  const owners = [object, old].map((one) => one.metadata.ownerReferences ?? []);
  return sameJson(owners[0], owners[1]) ? undefined : `node "${node}" is not allowed to modify ownerReferences`;
}

/** What a kubelet may say of its node under Kubernetes' own names; everything else there belongs to administrators. */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);

function isGuarded(key: string): boolean {
  const [prefix = '', name] = key.split('/');
  if (name === undefined || ownLabels.has(key)) return false;
  if (/(^|\.)(kubelet|node)\.kubernetes\.io$/.test(prefix)) return false;
  return /(^|\.)(kubernetes|k8s)\.io$/.test(prefix);
}

/** Labels that a node may not give or take itself. */
function guardedLabels(object: ApiObject, old: ApiObject | undefined): string[] {
  const now = object.metadata.labels ?? {};
  const then = old?.metadata.labels ?? {};
  const names = new Set([...Object.keys(now), ...Object.keys(then)]);
  return [...names].filter((key) => isGuarded(key) && now[key] !== then[key]);
}

function ownPod(node: string, { object, old, operation, subresource }: Review): string | undefined {
  const bound = text(at(old ?? object, 'spec.nodeName'));
  if (operation === 'CREATE') {
    if (object.metadata.annotations?.[mirrorAnnotation] === undefined)
      return `pod does not have "${mirrorAnnotation}" annotation, node "${node}" can only create mirror pods`;
    if (bound !== node) return `node "${node}" can only create pods with spec.nodeName set to itself`;
    return mirrorTrouble(node, object);
  }
  if (bound === node) return undefined;
  const what =
    operation === 'DELETE' ? 'delete pods' : subresource === 'status' ? 'update pod status for pods' : 'update pods';
  return `node "${node}" can only ${what} with spec.nodeName set to itself`;
}

function mirrorTrouble(node: string, pod: ApiObject): string | undefined {
  const spec = objectOf(pod['spec']);
  if (spec['serviceAccountName']) return `node "${node}" can not create pods that reference a service account`;
  const volume = list(spec['volumes']).find(
    (one) => one['secret'] ?? one['configMap'] ?? one['persistentVolumeClaim'] ?? one['projected'],
  );
  return volume && `node "${node}" can not create pods that reference secrets, configmaps or claims`;
}

function ownLease(node: string, { object }: Review): string | undefined {
  const { namespace, name } = object.metadata;
  if (namespace !== 'kube-node-lease') return `can only access leases in the "kube-node-lease" system namespace`;
  return name === node ? undefined : 'can only access node lease with the same name as the requesting node';
}

export const nodeRestriction: Step = {
  validate: (review) => {
    const node = nodeName(review.user);
    const refusal = node === undefined ? undefined : nodeRefusal(node, review);
    if (refusal !== undefined) throw forbidden(review.kind, review.object.metadata.name, refusal);
  },
};

/** A node asks for tokens of the service accounts of its own pods only. */
export function requireOwnPodToken(kind: Kind, user: User, account: string, pod: { node: string } | undefined): void {
  const node = nodeName(user);
  if (node === undefined) return;
  if (!pod) throw forbidden(kind, account, 'node requested token not bound to a pod');
  if (pod.node !== node)
    throw forbidden(kind, account, 'node requested token bound to a pod scheduled on a different node');
}
