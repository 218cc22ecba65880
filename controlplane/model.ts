// The nouns that the control loops share: what they see, what they want done, and how a loop describes itself.
import type { ApiClient, DeleteOptions, Patch } from '../kube/client.ts';
import type { ObjectName, Resource } from '../kube/resources.ts';
import type { KubeObject, Pod, Taint, Toleration } from '../kube/types.ts';

/** What a loop sees: local copies of the API's objects, never older than what the loop itself has written. */
export interface View {
  /** `key` is "namespace/name", or "name" for cluster-scoped objects. */
  get<T extends KubeObject>(of: Resource<T>, key: string): T | undefined;
  /** All objects, or those of one namespace. */
  list<T extends KubeObject>(of: Resource<T>, namespace?: string): readonly T[];
  podsOn(nodeName: string): readonly Pod[];
}

/** Who an event is about. */
export interface EventAbout {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string };
}

/** One write, with the reason that the log line gives. Each may be repeated harmlessly. */
export type Action =
  | {
      readonly do: 'Create';
      readonly of: Resource<KubeObject>;
      readonly object: NewObject;
      /** Who gets the event of the new object's name, or of its refusal. */
      readonly tell?: EventAbout;
      readonly because: string;
    }
  | {
      readonly do: 'Update';
      readonly of: Resource<KubeObject>;
      /** Carries the resourceVersion that was looked at: somebody else's write in between is a conflict, and a fresh look. */
      readonly object: KubeObject;
      readonly subresource?: string;
      readonly because: string;
    }
  | {
      readonly do: 'Patch';
      readonly of: Resource<KubeObject>;
      readonly at: ObjectName;
      readonly patch: Patch;
      readonly because: string;
    }
  | {
      readonly do: 'Delete';
      readonly of: Resource<KubeObject>;
      readonly at: ObjectName;
      readonly options?: DeleteOptions;
      readonly tell?: EventAbout;
      readonly because: string;
    }
  | {
      readonly do: 'DeleteAll';
      readonly of: Resource<KubeObject>;
      readonly namespace: string;
      readonly because: string;
    }
  | {
      readonly do: 'Event';
      readonly about: EventAbout;
      readonly type: 'Normal' | 'Warning';
      readonly reason: string;
      readonly message: string;
    };

/** An object before the API server has seen it: it may ask for a generated name. */
export type NewObject = Omit<KubeObject, 'metadata'> & {
  metadata: Partial<KubeObject['metadata']>;
} & Record<string, unknown>;

export interface Outcome {
  readonly actions: readonly Action[];
  /** Look at this key again after so long, although nothing may have changed by then. */
  readonly againInMs?: number;
}

export const nothing: Outcome = { actions: [] };

/** Objects whose changes wake a loop, and the keys that they wake. Keys of the object before a change are woken too. */
export interface Watch {
  readonly of: Resource<KubeObject>;
  keys(object: KubeObject, view: View): readonly string[];
  /** Whether an update can change a decision; left out: every update can. */
  matters?(before: KubeObject, after: KubeObject): boolean;
}

export interface LookParts {
  readonly client: ApiClient;
  readonly nowMs: number;
  /** Why the server refused what was last made for this key; undefined once it has accepted. */
  readonly refusal?: string | undefined;
  readonly signal: AbortSignal;
}

/** A control loop: `look` gathers what the view does not hold, `reconcile` is pure and says what to do about one key. */
export interface Controller<Facts = undefined> {
  readonly name: string;
  /** Whom its events name as their source: upstream's name of this controller. */
  readonly component?: string;
  readonly watches: readonly Watch[];
  /** Keys that are looked at from the start, whether an object has them or not. */
  readonly seeds?: readonly string[];
  /** How many keys are worked on at once. One: a decision about a key sees the writes for every other key. */
  readonly workers?: number;
  look(key: string, view: View, parts: LookParts): Facts | Promise<Facts>;
  reconcile(key: string, view: View, nowMs: number, facts: Facts): Outcome;
}

/** Writes a watch with the object's own type. */
export function watch<T extends KubeObject>(
  of: Resource<T>,
  keys: (object: T, view: View) => readonly string[],
  matters?: (before: T, after: T) => boolean,
): Watch {
  return {
    of,
    keys: (object, view) => keys(object as T, view),
    ...(matters ? { matters: (before: KubeObject, after: KubeObject) => matters(before as T, after as T) } : {}),
  };
}

/** For loops that need no more than the view. */
export const looksNoFurther = (): undefined => undefined;

/** Whether a toleration bears a taint: the scheduler and the eviction of pods must agree. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const operator = toleration.operator || 'Equal';
  if (operator === 'Exists') return true;
  // Without a key only Exists means every taint.
  return operator === 'Equal' && Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}
