// What stands between a request and the registry: a list of small functions that change, refuse, or reserve.
import type { Request } from '../context.ts';
import type { Kind } from '../kinds/kind.ts';
import type { ApiObject } from '../model.ts';

export interface Review extends Request {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  /** Mutating steps alter it in place. */
  readonly object: ApiObject;
  readonly old: ApiObject | undefined;
}

/** Something taken for an object that is not written yet: kept when it was, given back when not. */
export interface Reservation {
  keep(): void;
  undo(): void;
}

export interface Step {
  mutate?(review: Review): void | Promise<void>;
  /** Throws a `StatusError` to refuse. */
  validate?(review: Review): void | Promise<void>;
  /** Takes what must be unique (addresses, ports). May alter the object. */
  reserve?(request: Request, object: ApiObject, old: ApiObject | undefined): Promise<Reservation | undefined>;
  /** An object has been removed from the store. */
  removed?(kind: Kind, object: ApiObject): void;
}

export interface Admission {
  mutate(review: Review): Promise<void>;
  validate(review: Review): Promise<void>;
  reserve(request: Request, object: ApiObject, old: ApiObject | undefined): Promise<Reservation>;
  removed(kind: Kind, object: ApiObject): void;
}

/** Runs the steps in order. */
export function createAdmission(steps: readonly Step[]): Admission {
  return {
    mutate: async (review) => {
      for (const step of steps) await step.mutate?.(review);
    },
    validate: async (review) => {
      for (const step of steps) await step.validate?.(review);
    },
    reserve: async (request, object, old) => {
      const taken: Reservation[] = [];
      const undo = (): void => {
        for (const one of taken.splice(0).reverse()) one.undo();
      };
      try {
        for (const step of steps) {
          const one = await step.reserve?.(request, object, old);
          if (one) taken.push(one);
        }
      } catch (error) {
        undo();
        throw error;
      }
      const keep = (): void => {
        for (const one of taken.splice(0)) one.keep();
      };
      return { keep, undo };
    },
    removed: (kind, object) => {
      for (const step of steps) step.removed?.(kind, object);
    },
  };
}
