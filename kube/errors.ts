// What the API server refuses, and what happens when it cannot be reached, as one class.
import type { Status } from './types.ts';

export type ApiErrorReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'Forbidden'
  | 'Unauthorized'
  | 'BadRequest'
  | 'Expired'
  | 'TooManyRequests'
  | 'MethodNotAllowed'
  | 'UnsupportedMediaType'
  | 'Timeout'
  | 'ServerError'
  /** No answer: refused, reset, TLS trouble, name not found. */
  | 'Unreachable'
  /** An answer that is not what the API promises (truncated JSON, wrong kind). */
  | 'Malformed';

/** A request to the API server that did not succeed. `status` is the server's own words where it gave any. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: ApiErrorReason;
  readonly code: number;
  readonly status: Status | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    what: string,
    facts: { reason: ApiErrorReason; code?: number; status?: Status; retryAfterMs?: number; cause?: unknown },
  ) {
    super(what, { cause: facts.cause });
    this.reason = facts.reason;
    this.code = facts.code ?? 0;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

const byCode: Readonly<Record<number, ApiErrorReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  504: 'Timeout',
};

/** The reason of an answer, from the Status body where there is one, else from the HTTP code. */
export function reasonOf(code: number, status: Status | undefined): ApiErrorReason {
  if (status?.reason === 'AlreadyExists') return 'AlreadyExists';
  return byCode[code] ?? 'ServerError';
}

function hasReason(error: unknown, reason: ApiErrorReason): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isForbidden = (error: unknown): boolean => hasReason(error, 'Forbidden');
/** Nothing new may come into a namespace that is being deleted. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  hasReason(error, 'Forbidden') &&
  (error.status?.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
export const isExpired = (error: unknown): boolean => hasReason(error, 'Expired');
export const isUnreachable = (error: unknown): boolean => hasReason(error, 'Unreachable');
