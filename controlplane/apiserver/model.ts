// The nouns of the API server: an object of the API as plain JSON, who asks, and what is asked for.

export type JsonObject = Record<string, unknown>;

export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string | null;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; blockOwnerDeletion?: boolean }[];
  finalizers?: string[];
  managedFields?: JsonObject[];
}

/** Any object of the API, in its JSON form. */
export interface ApiObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** Who asks. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What is wrong with one field, in upstream's words. */
export interface Cause {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** What a request asks to do, in the words of authorisation. */
export interface Attributes {
  readonly verb: string;
  /** Set for requests that are not about resources. */
  readonly path?: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets an own property whatever its name: "__proto__" is a legal ConfigMap key and must stay data. */
export function put(object: object, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else (object as JsonObject)[key] = value;
}

/** An own property, undefined where there is none: never what Object.prototype has. */
export function take(object: unknown, key: string): unknown {
  return isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The value at "spec.nodeName"; no list indices. */
export function at(object: unknown, path: string): unknown {
  let value: unknown = object;
  for (const step of path.split('.')) value = take(value, step);
  return value;
}

/** How plain JSON is read where a field may be missing: as nothing of its sort. */
export const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
export const object = (value: unknown): JsonObject => (value ?? {}) as JsonObject;
export const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? (value as JsonObject[]) : []);
