// Checks of names, labels and annotations that hold for every kind, in upstream's words. Pure.
import type { ApiObject, Cause, ObjectMeta } from '../model.ts';

export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
});
export const required = (field: string, why = ''): Cause => ({
  reason: 'FieldValueRequired',
  field,
  message: why === '' ? 'Required value' : `Required value: ${why}`,
});
export const duplicate = (field: string, value: unknown): Cause => ({
  reason: 'FieldValueDuplicate',
  field,
  message: `Duplicate value: ${JSON.stringify(value)}`,
});
export const notSupported = (field: string, value: unknown, supported: readonly string[]): Cause => ({
  reason: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${[...supported]
    .sort()
    .map((one) => JSON.stringify(one))
    .join(', ')}`,
});
export const forbiddenField = (field: string, why: string): Cause => ({
  reason: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${why}`,
});
export const tooLong = (field: string, most: number): Cause => ({
  reason: 'FieldValueTooLong',
  field,
  message: `Too long: may not be more than ${most} bytes`,
});
export const notFoundValue = (field: string, value: unknown): Cause => ({
  reason: 'FieldValueNotFound',
  field,
  message: `Not found: ${JSON.stringify(value)}`,
});

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const shapes = {
  subdomain: {
    shape: new RegExp(`^${subdomain}$`),
    most: 253,
    text: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`,
  },
  label: {
    shape: new RegExp(`^${label}$`),
    most: 63,
    text: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`,
  },
  label1035: {
    shape: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
    most: 63,
    text: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  },
  path: { shape: /^(?!\.{1,2}$)[^/%]+$/, most: 253, text: "may not be '.', '..', or contain '/' or '%'" },
} as const;

export type NameShape = keyof typeof shapes;

/** What is wrong with a name, in upstream's words; empty when nothing is. */
export function nameProblems(name: string, shape: NameShape): string[] {
  const { shape: pattern, most, text } = shapes[shape];
  return [
    ...(name.length > most ? [`must be no more than ${most} characters`] : []),
    ...(pattern.test(name) ? [] : [text]),
  ];
}

const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const qualifiedShape = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** A label or annotation key: an optional DNS prefix and a name of at most 63 characters. */
export function keyProblems(key: string): string[] {
  const slash = key.lastIndexOf('/');
  const prefix = key.slice(0, Math.max(slash, 0));
  const name = key.slice(slash + 1);
  const problems: string[] = [];
  if (slash === 0) problems.push('prefix part must be non-empty');
  else if (slash > 0) problems.push(...nameProblems(prefix, 'subdomain').map((text) => `prefix part ${text}`));
  if (name === '') problems.push('name part must be non-empty');
  else if (name.length > 63) problems.push('name part must be no more than 63 characters');
  if (!qualifiedShape.test(name)) problems.push(qualifiedText);
  return problems;
}

export function labelCauses(labels: Readonly<Record<string, string>> | undefined, field: string): Cause[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...keyProblems(key).map((text) => invalidValue(field, key, text)),
    ...(value.length > 63 ? [invalidValue(field, value, 'must be no more than 63 characters')] : []),
    ...(value === '' || qualifiedShape.test(value) ? [] : [invalidValue(field, value, valueText)]),
  ]);
}

const annotationBytes = 256 * 1024;

function annotationCauses(annotations: Readonly<Record<string, string>> | undefined): Cause[] {
  const field = 'metadata.annotations';
  const entries = Object.entries(annotations ?? {});
  const size = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  const keys = entries.flatMap(([key]) => keyProblems(key.toLowerCase()).map((text) => invalidValue(field, key, text)));
  return size > annotationBytes ? [...keys, tooLong(field, annotationBytes)] : keys;
}

/** Metadata on create. */
export function metadataCauses(metadata: ObjectMeta, shape: NameShape, namespaced: boolean): Cause[] {
  const { name, generateName } = metadata;
  const causes: Cause[] = [];
  if (!name && !generateName) causes.push(required('metadata.name', 'name or generateName is required'));
  else if (name) causes.push(...nameProblems(name, shape).map((text) => invalidValue('metadata.name', name, text)));
  if (namespaced && !metadata.namespace) causes.push(required('metadata.namespace'));
  return [...causes, ...sharedCauses(metadata)];
}

function sharedCauses(metadata: ObjectMeta): Cause[] {
  const finalizers = (metadata.finalizers ?? []).flatMap((one, index) =>
    keyProblems(one).map((text) => invalidValue(`metadata.finalizers[${index}]`, one, text)),
  );
  return [...labelCauses(metadata.labels, 'metadata.labels'), ...annotationCauses(metadata.annotations), ...finalizers];
}

const immutableText = 'field is immutable';

/** Metadata on update: what identifies an object never changes. */
export function metadataUpdateCauses(object: ApiObject, old: ApiObject): Cause[] {
  const causes: Cause[] = [];
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp'] as const) {
    if (object.metadata[field] !== old.metadata[field]) {
      causes.push(invalidValue(`metadata.${field}`, object.metadata[field] ?? '', immutableText));
    }
  }
  const added = (object.metadata.finalizers ?? []).filter((one) => !(old.metadata.finalizers ?? []).includes(one));
  if (old.metadata.deletionTimestamp && added.length > 0) {
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
    causes.push(forbiddenField('metadata.finalizers', why));
  }
  return [...causes, ...sharedCauses(object.metadata)];
}
