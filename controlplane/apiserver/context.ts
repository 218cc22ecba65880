// What every part below the HTTP door is handed: the schema, the kinds, the store, the clock and one request's circumstances.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Store } from '../store/store.ts';
import type { Kind } from './kinds/kind.ts';
import type { User } from './model.ts';
import type { Schema } from './rules/schema.ts';

export interface Parts {
  readonly store: Store;
  readonly schema: Schema;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
}

/** One request as the registry sees it. */
export interface Request {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly user: User;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Texts for Warning headers; parts add to it. */
  readonly warnings: string[];
}
