// What a new pod is given: its service account with a token volume, the tolerations of every pod, its priority.
import { randomInt } from 'node:crypto';
import type { Parts } from '../context.ts';
import { decodeEntry, keyOf, prefixOf } from '../encoding.ts';
import { fill } from '../kinds/pod/defaults.ts';
import { type ApiObject, type JsonObject, list, object as objectOf, text } from '../model.ts';
import { forbidden } from '../rules/status-error.ts';
import type { Review, Step } from './admission.ts';

const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
/** One hour, and seven seconds by which clients tell that nobody chose the time. */
const tokenSeconds = 3607;
const attempts = 10;
const attemptMs = 100;
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

const isNewPod = ({ operation, kind, subresource }: Review): boolean =>
  operation === 'CREATE' && kind.kind === 'Pod' && subresource === '';
const isMirror = ({ metadata }: ApiObject): boolean => metadata.annotations?.[mirrorAnnotation] !== undefined;
const suffix = (): string => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('');

function tokenVolume(name: string): JsonObject {
  const sources = [
    { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] },
    },
  ];
  return { name, projected: { sources, defaultMode: 420 } };
}

/** Adds the token volume to a pod, and a mount to each container that has nothing at that path. */
export function mountToken(spec: JsonObject, name: string): void {
  const containers = [...list(spec['containers']), ...list(spec['initContainers'])];
  const without = containers.filter(
    (one) => !list(one['volumeMounts']).some(({ mountPath }) => mountPath === tokenPath),
  );
  if (without.length === 0) return;
  spec['volumes'] = [...list(spec['volumes']), tokenVolume(name)];
  for (const container of without) {
    container['volumeMounts'] = [...list(container['volumeMounts']), { name, readOnly: true, mountPath: tokenPath }];
  }
}

/** The account a pod runs as: it must exist. A namespace's own account comes a moment after the namespace. */
export function serviceAccount(parts: Parts): Step {
  const kind = parts.kinds.find((one) => one.kind === 'ServiceAccount');

  async function find(review: Review, name: string): Promise<ApiObject> {
    for (let attempt = 1; kind && attempt <= attempts; attempt++) {
      const entry = await parts.store.get(keyOf(kind, review.namespace, name));
      if (entry) return decodeEntry(kind, entry);
      await parts.clock.sleep(attemptMs);
    }
    const why = `error looking up service account ${review.namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden(review.kind, review.name, why);
  }

  async function mutate(review: Review): Promise<void> {
    if (!isNewPod(review) || isMirror(review.object)) return;
    const spec = objectOf(review.object['spec']);
    const name = text(spec['serviceAccountName']) || 'default';
    Object.assign(spec, { serviceAccountName: name, serviceAccount: name });
    const account = await find(review, name);
    if (spec['automountServiceAccountToken'] ?? account['automountServiceAccountToken'] ?? true) {
      const known = list(spec['volumes']).find((one) => text(one['name']).startsWith('kube-api-access-'));
      mountToken(spec, known ? text(known['name']) : `kube-api-access-${suffix()}`);
    }
    const secrets = list(account['imagePullSecrets']);
    if (secrets.length > 0 && list(spec['imagePullSecrets']).length === 0) spec['imagePullSecrets'] = secrets;
  }
  return { mutate };
}

const nodeTroubles = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** Pods stay five minutes on a node that is in trouble, unless they say otherwise. */
export const defaultTolerations: Step = {
  mutate: (review) => {
    if (!isNewPod(review)) return;
    const spec = objectOf(review.object['spec']);
    const tolerations = list(spec['tolerations']);
    const covers = (key: string) => (one: JsonObject) =>
      (one['key'] === key || !one['key']) && (one['effect'] === 'NoExecute' || !one['effect']);
    const missing = nodeTroubles.filter((key) => !tolerations.some(covers(key)));
    if (missing.length === 0) return;
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }));
    spec['tolerations'] = [...tolerations, ...added];
  },
};

const systemPriorities: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

/** A pod's priority is a number that its class stands for; clients do not choose the number. */
export function priority(parts: Parts): Step {
  const kind = parts.kinds.find((one) => one.kind === 'PriorityClass');

  async function classOf(review: Review, name: string): Promise<JsonObject> {
    const system = systemPriorities[name];
    if (system !== undefined) return { value: system };
    if (!kind) return {};
    if (name !== '') {
      const entry = await parts.store.get(keyOf(kind, '', name));
      if (!entry) throw forbidden(review.kind, review.name, `no PriorityClass with name ${name} was found`);
      return decodeEntry(kind, entry);
    }
    const { entries } = await parts.store.list(prefixOf(kind, ''));
    return entries.map((entry) => decodeEntry(kind, entry)).find((one) => one['globalDefault'] === true) ?? {};
  }

  async function mutate(review: Review): Promise<void> {
    if (!isNewPod(review)) return;
    const spec = objectOf(review.object['spec']);
    const found = await classOf(review, text(spec['priorityClassName']));
    const value = Number(found['value'] ?? 0);
    if (spec['priority'] !== undefined && spec['priority'] !== value) {
      const why = `the integer value of priority (${text(spec['priority'])}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`;
      throw forbidden(review.kind, review.name, why);
    }
    spec['priority'] = value;
    if (found['metadata']) fill(spec, { priorityClassName: objectOf(found['metadata'])['name'] });
    fill(spec, { preemptionPolicy: found['preemptionPolicy'] ?? 'PreemptLowerPriority' });
  }
  return { mutate };
}
