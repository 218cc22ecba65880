// The token that goes on with a list where its last page ended. Pure.
import { isObject } from '../model.ts';
import { badRequest } from './status-error.ts';

export interface Continue {
  /** −1: at whatever revision the store is at. */
  readonly rev: number;
  /** The last key of the page before, without the list's prefix. */
  readonly start: string;
}

export function formatContinue(rev: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: rev, start })).toString('base64url');
}

/** Throws a 400 `StatusError` for what is not a token of ours. */
export function parseContinue(token: string): Continue {
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (isObject(read) && Number.isSafeInteger(read['rv']) && typeof read['start'] === 'string') {
      return { rev: read['rv'] as number, start: read['start'] };
    }
  } catch {
    // Falls through to the refusal.
  }
  throw badRequest('continue key is not valid: incorrect encoding');
}
