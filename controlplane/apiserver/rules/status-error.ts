// Every refusal of the API server as one class that becomes a metav1.Status; texts and codes are upstream's.
import type { Cause, JsonObject } from '../model.ts';

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: readonly Partial<Cause>[];
  retryAfterSeconds?: number;
}

/** Thrown anywhere below the HTTP door; the door writes it as a Status with its code. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** For an expired list: where to go on, if the client accepts an inconsistent rest. */
  readonly continueWith: string | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails, continueWith?: string) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.continueWith = continueWith;
  }
}

export function statusOf(error: StatusError): JsonObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: error.continueWith === undefined ? {} : { continue: error.continueWith },
    status: 'Failure',
    message: error.message,
    ...(error.reason === '' ? {} : { reason: error.reason }),
    ...(error.details ? { details: error.details } : {}),
    code: error.code,
  };
}

/** A resource as messages name it: `pods` or `deployments.apps`. */
export interface Named {
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
}

const qualified = ({ group, resource }: Named): string => (group === '' ? resource : `${resource}.${group}`);
const qualifiedKind = ({ group, kind }: Named): string => (group === '' ? kind : `${kind}.${group}`);
const details = (of: Named, name: string): StatusDetails => ({
  name,
  ...(of.group === '' ? {} : { group: of.group }),
  kind: of.resource,
});

export const notFound = (of: Named, name: string): StatusError =>
  new StatusError(404, 'NotFound', `${qualified(of)} "${name}" not found`, details(of, name));

export const noSuchPath = (): StatusError =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

export const alreadyExists = (of: Named, name: string): StatusError =>
  new StatusError(409, 'AlreadyExists', `${qualified(of)} "${name}" already exists`, details(of, name));

export const conflict = (of: Named, name: string, why: string): StatusError =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(of)} "${name}": ${why}`,
    details(of, name),
  );

export const staleConflict = (of: Named, name: string): StatusError =>
  conflict(of, name, 'the object has been modified; please apply your changes to the latest version and try again');

/** One cause reads "K "n" is invalid: field: text"; several stand in brackets. */
export function invalid(of: Named, name: string, causes: readonly Cause[]): StatusError {
  const texts = [...new Set(causes.map(({ field, message }) => `${field}: ${message}`))];
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${qualifiedKind(of)} "${name}" is invalid: ${list}`, {
    name,
    ...(of.group === '' ? {} : { group: of.group }),
    kind: of.kind,
    causes,
  });
}

export function forbidden(of: Named, name: string, why: string): StatusError {
  const subject = name === '' ? qualified(of) : `${qualified(of)} "${name}"`;
  return new StatusError(403, 'Forbidden', `${subject} is forbidden: ${why}`, details(of, name));
}

export const unauthorized = (): StatusError => new StatusError(401, 'Unauthorized', 'Unauthorized');

export const badRequest = (message: string): StatusError => new StatusError(400, 'BadRequest', message);

export const methodNotAllowed = (): StatusError =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const notAcceptable = (accepted: readonly string[]): StatusError =>
  new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`);

export const unsupportedMediaType = (accepted: readonly string[]): StatusError =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );

export const expired = (message: string, continueWith?: string): StatusError =>
  new StatusError(410, 'Expired', message, undefined, continueWith);

export const tooLarge = (message: string): StatusError => new StatusError(413, 'RequestEntityTooLarge', message);

export const tooManyRequests = (message: string, causes?: readonly Partial<Cause>[]): StatusError =>
  new StatusError(429, 'TooManyRequests', message, causes ? { causes } : { retryAfterSeconds: 1 });

export const internal = (message: string): StatusError =>
  new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });

export const unavailable = (message: string): StatusError => new StatusError(503, 'ServiceUnavailable', message);

/** What a kubelet's refusal is to whoever asked the API: its words, as the reason that its code stands for. */
export function kubeletRefusal(code: number, words: string): StatusError {
  if (code === 400 || code === 422) return badRequest(words);
  if (code === 404) return new StatusError(404, 'NotFound', words);
  if (code === 500) return internal(words);
  return new StatusError(code, 'ServiceUnavailable', words);
}
