// Putting a pod on a node. Pure.

import { type ApiObject, at, type JsonObject, list, object as objectOf, text } from '../model.ts';
import { badRequest, conflict, type Named } from './status-error.ts';

/** The pod with its node and the PodScheduled condition. Throws 400 or 409 `StatusError`. */
export function bindPod(kind: Named, pod: ApiObject, binding: ApiObject, nowMs: number): ApiObject {
  const target = objectOf(binding['target']);
  const { name, deletionTimestamp } = pod.metadata;
  if (target['kind'] !== undefined && target['kind'] !== '' && target['kind'] !== 'Node') {
    throw badRequest(
      `target.kind: Unsupported value: ${JSON.stringify(target['kind'])}: supported values: "Node", "<empty>"`,
    );
  }
  const node = text(target['name']);
  if (node === '') throw badRequest('target.name: Required value');
  if (deletionTimestamp) throw conflict(kind, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  const bound = at(pod, 'spec.nodeName');
  if (bound) throw conflict(kind, name, `pod ${name} is already assigned to node "${text(bound)}"`);
  const { uid } = binding.metadata;
  if (uid && uid !== pod.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`,
    );
  }
  const annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  const metadata = Object.keys(annotations).length > 0 ? { ...pod.metadata, annotations } : pod.metadata;
  const spec = { ...objectOf(pod['spec']), nodeName: node };
  return { ...pod, metadata, spec, status: scheduled(objectOf(pod['status']), nowMs) };
}

function scheduled(status: JsonObject, nowMs: number): JsonObject {
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const others = list(status['conditions']).filter(({ type }) => type !== 'PodScheduled');
  const condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now };
  return { ...status, conditions: [...others, condition] };
}
