// Carries out the actions of control loops: one write each, and what the cache must show before the loop looks again.
import type { ApiClient } from '../../kube/client.ts';
import { ApiError, isNotFound } from '../../kube/errors.ts';
import { keyOf } from '../../kube/informer.ts';
import { type Resource, resourcePath } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { EventRecorder } from '../events.ts';
import type { Action } from '../model.ts';

/** A write that the cache has to catch up with. */
export interface Written {
  readonly of: Resource<KubeObject>;
  readonly key: string;
  readonly how: 'created' | 'changed' | 'deleted';
  /** What the server answered with; 0 for deletions. */
  readonly version: bigint;
}

export interface ApplyParts {
  readonly client: ApiClient;
  readonly events: EventRecorder;
  /** Whom events name as their source. */
  readonly component?: string | undefined;
  readonly signal: AbortSignal;
}

/** Throws `ApiError`; what the server has already, or has no more, is no failure. */
export async function apply(action: Action, parts: ApplyParts): Promise<Written | undefined> {
  const { client, events, component: by, signal } = parts;
  switch (action.do) {
    case 'Create':
      return create(action, parts);
    case 'Update':
      return written(action.of, 'changed', await client.update(action.of, action.object, action.subresource, signal));
    case 'Patch':
      return unlessGone(async () =>
        written(action.of, 'changed', await client.patch(action.of, action.at, action.patch, signal)),
      );
    case 'Delete':
      return unlessGone(async () => {
        await client.delete(action.of, action.at, action.options, signal);
        const { name, namespace } = action.at;
        const message = `Deleted ${words(action.of)}: ${name}`;
        if (action.tell) events.say({ about: action.tell, type: 'Normal', reason: 'SuccessfulDelete', message, by });
        return { of: action.of, how: 'deleted', key: namespace ? `${namespace}/${name}` : name, version: 0n };
      });
    case 'DeleteAll':
      await client.request('DELETE', resourcePath(action.of, { namespace: action.namespace }), undefined, signal);
      return undefined;
    case 'Event':
      events.say({ ...action, by });
      return undefined;
  }
}

async function create(
  { of, object, tell }: Extract<Action, { do: 'Create' }>,
  { client, events, component: by, signal }: ApplyParts,
): Promise<Written | undefined> {
  try {
    const made = await client.create(of, object as KubeObject, signal);
    const message = `Created ${words(of)}: ${made.metadata.name}`;
    if (tell) events.say({ about: tell, type: 'Normal', reason: 'SuccessfulCreate', message, by });
    return written(of, 'created', made);
  } catch (error) {
    // The namespace is being emptied: what was wanted in it is wanted no more.
    if (isTerminating(error)) return undefined;
    if (!tell || signal.aborted) throw error;
    const message = `Error creating: ${refusalText(error)}`;
    events.say({ about: tell, type: 'Warning', reason: 'FailedCreate', message, by });
    throw new RefusedCreate(refusalText(error), { cause: error });
  }
}

/** A new object that the server would not have. */
export class RefusedCreate extends Error {
  override readonly name = 'RefusedCreate';
}

/** The server's own words. */
function refusalText(error: unknown): string {
  if (error instanceof ApiError && error.status?.message) return error.status.message;
  return error instanceof Error ? error.message : String(error);
}

const words = ({ kind }: Resource<unknown>): string => kind.toLowerCase();

function written(of: Resource<KubeObject>, how: Written['how'], object: KubeObject): Written | undefined {
  const version = object.metadata?.resourceVersion;
  // A finalizer's last write answers with an object that is gone already.
  if (version === undefined || !/^\d+$/.test(version)) return undefined;
  return { of, how, key: keyOf(object), version: BigInt(version) };
}

async function unlessGone(write: () => Promise<Written | undefined>): Promise<Written | undefined> {
  try {
    return await write();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isTerminating(error: unknown): boolean {
  const causes = error instanceof ApiError ? (error.status?.details?.causes ?? []) : [];
  return causes.some(({ reason }) => reason === 'NamespaceTerminating');
}
