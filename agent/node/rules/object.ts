// The Node object: as it is created, and what is sent so that the API's becomes ours without touching what others put there.
import type { Node, NodeCondition, NodeStatus, Taint } from '../../../kube/types.ts';

const attachAnnotation = 'volumes.kubernetes.io/controller-managed-attach-detach';

export interface NodeIdentity {
  readonly nodeName: string;
  /** Defaults and --node-labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only for a node that is new: later they belong to others. */
  readonly taints: readonly Taint[];
  readonly providerId: string | undefined;
}

export function newNode({ nodeName, labels, taints, providerId }: NodeIdentity, status: NodeStatus): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nodeName, labels: { ...labels }, annotations: { [attachAnnotation]: 'true' } },
    spec: { ...(providerId ? { providerID: providerId } : {}), ...(taints.length > 0 ? { taints: [...taints] } : {}) },
    status,
  };
}

type Strings = Readonly<Record<string, string>>;

function missing(have: Strings | undefined, want: Strings): Record<string, string> | undefined {
  const entries = Object.entries(want).filter(([name, text]) => have?.[name] !== text);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** What a node of ours lacks that was there before us; foreign labels and annotations stay. Undefined: nothing. */
export function adoptionPatch(api: Node, { labels }: NodeIdentity): object | undefined {
  const lackingLabels = missing(api.metadata.labels, labels);
  const lackingAnnotations = missing(api.metadata.annotations, { [attachAnnotation]: 'true' });
  if (!lackingLabels && !lackingAnnotations) return undefined;
  return {
    metadata: {
      ...(lackingLabels ? { labels: lackingLabels } : {}),
      ...(lackingAnnotations ? { annotations: lackingAnnotations } : {}),
    },
  };
}

const isSame = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** JSON with its names in order, so that a server that orders them otherwise has said the same. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

const withoutHeartbeat = ({ lastHeartbeatTime: _, ...rest }: NodeCondition): object => rest;

function ownConditions(api: NodeStatus, ours: NodeStatus): readonly NodeCondition[] {
  const types = new Set(ours.conditions?.map(({ type }) => type));
  return api.conditions?.filter(({ type }) => types.has(type)) ?? [];
}

const byType = (a: NodeCondition, b: NodeCondition): number => (a.type < b.type ? -1 : 1);

/** Merged by name: a resource that others put there is not ours to remove. */
const maps = ['capacity', 'allocatable', 'nodeInfo', 'daemonEndpoints', 'features'] as const;
/** Replaced whole. */
const lists = ['images', 'runtimeHandlers', 'declaredFeatures'] as const;

type Amounts = Readonly<Record<string, unknown>>;

function changedEntries(api: Amounts | undefined, ours: Amounts | undefined): Amounts | undefined {
  const entries = Object.entries(ours ?? {}).filter(([name, value]) => !isSame(api?.[name], value));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** The strategic patch of `status` without its heartbeats; undefined when nothing but time has passed. */
export function statusChanges(api: NodeStatus, ours: NodeStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const field of maps) {
    const changed = changedEntries(api[field] as Amounts | undefined, ours[field] as Amounts | undefined);
    if (changed) patch[field] = changed;
  }
  for (const field of lists) if (ours[field] && !isSame(api[field] ?? [], ours[field])) patch[field] = ours[field];
  if (!isSame(api.addresses, ours.addresses)) patch['addresses'] = [{ $patch: 'replace' }, ...(ours.addresses ?? [])];
  const before = [...ownConditions(api, ours)].sort(byType).map(withoutHeartbeat);
  const after = [...(ours.conditions ?? [])].sort(byType).map(withoutHeartbeat);
  if (!isSame(before, after)) patch['conditions'] = ours.conditions;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** The body to send: what changed, with the heartbeats of all conditions. */
export function statusBody(changes: Readonly<Record<string, unknown>> | undefined, ours: NodeStatus): object {
  return { status: { ...changes, conditions: ours.conditions } };
}
