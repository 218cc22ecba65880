// OpenAPI v3 documents per group and version, derived from the schema: what kubectl create, apply and explain need. Pure.
import type { JsonObject } from '../model.ts';
import { type GroupVersion, gvOf, type Served } from './discovery.ts';
import type { Field, Schema, Type } from './schema.ts';

/** "core/v1.Pod" is "io.k8s.api.core.v1.Pod" in OpenAPI. */
export function componentName(type: string): string {
  if (type.startsWith('meta/')) return `io.k8s.apimachinery.pkg.apis.meta.${type.slice(5)}`;
  if (type.startsWith('api.resource.')) return `io.k8s.apimachinery.pkg.${type}`;
  if (type.startsWith('util.') || type.startsWith('runtime.')) return `io.k8s.apimachinery.pkg.${type}`;
  if (type.startsWith('apiextensions/')) return `io.k8s.apiextensions-apiserver.pkg.apis.${type.replace('/', '.')}`;
  return `io.k8s.api.${type.replace('/', '.')}`;
}

const scalars: Readonly<Record<string, JsonObject>> = {
  string: { type: 'string', default: '' },
  'string:byte': { type: 'string', format: 'byte' },
  'integer:int32': { type: 'integer', format: 'int32' },
  'integer:int64': { type: 'integer', format: 'int64' },
  boolean: { type: 'boolean' },
  'number:double': { type: 'number', format: 'double' },
};

function reference(type: string): JsonObject {
  return { $ref: `#/components/schemas/${componentName(type)}` };
}

function typeSchema(type: string, seen: Set<string>): JsonObject {
  if (type.startsWith('[]')) return { type: 'array', items: typeSchema(type.slice(2), seen) };
  if (type.startsWith('map:')) return { type: 'object', additionalProperties: typeSchema(type.slice(4), seen) };
  const scalar = scalars[type];
  if (scalar) {
    const { default: _, ...plain } = scalar;
    return plain;
  }
  seen.add(type);
  return { allOf: [reference(type)] };
}

function fieldSchema(field: Field, seen: Set<string>): JsonObject {
  return {
    ...typeSchema(field.type, seen),
    ...(field.listType ? { 'x-kubernetes-list-type': field.listType } : {}),
    ...(field.listMapKeys ? { 'x-kubernetes-list-map-keys': field.listMapKeys } : {}),
    ...(field.mapType ? { 'x-kubernetes-map-type': field.mapType } : {}),
    ...(field.patchStrategy ? { 'x-kubernetes-patch-strategy': field.patchStrategy } : {}),
    ...(field.patchMergeKey ? { 'x-kubernetes-patch-merge-key': field.patchMergeKey } : {}),
  };
}

const special: Readonly<Record<string, JsonObject>> = {
  'api.resource.Quantity': { oneOf: [{ type: 'string' }, { type: 'number' }] },
  'util.intstr.IntOrString': { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  'meta/v1.Time': { type: 'string', format: 'date-time' },
  'meta/v1.MicroTime': { type: 'string', format: 'date-time' },
};

function component(name: string, type: Type | undefined, seen: Set<string>): JsonObject {
  const known = special[name];
  if (known) return known;
  if (!type?.fields) return { type: type?.scalar?.split(':')[0] ?? 'object' };
  const fields = Object.entries(type.fields);
  const required = fields.filter(([, field]) => field.required).map(([field]) => field);
  const [group, version, kind] = type.gvk ?? [];
  return {
    type: 'object',
    properties: Object.fromEntries(fields.map(([field, one]) => [field, fieldSchema(one, seen)])),
    ...(required.length > 0 ? { required } : {}),
    ...(type.gvk ? { 'x-kubernetes-group-version-kind': [{ group, kind, version }] } : {}),
  };
}

/** DeleteOptions is known in every group; kubectl looks for it under each. */
function components(schema: Schema, gv: GroupVersion): JsonObject {
  const seen = new Set<string>(['meta/v1.DeleteOptions', 'meta/v1.Status', 'meta/v1.ListMeta']);
  for (const { group, version, kind } of gv.rows) seen.add(schema.typeOf(group, version, kind) ?? 'meta/v1.Status');
  for (const { subresources } of gv.rows) {
    for (const { kind, group = gv.group, version = gv.version } of subresources) {
      const type = schema.typeOf(group, version, kind);
      if (type) seen.add(type);
    }
  }
  const done: JsonObject = {};
  // A Set grows while it is walked: every type that a type mentions gets its turn.
  for (const name of seen) done[componentName(name)] = component(name, schema.type(name), seen);
  return done;
}

const methods: readonly (readonly [verb: string, method: string, action: string])[] = [
  ['list', 'get', 'list'],
  ['create', 'post', 'post'],
  ['deletecollection', 'delete', 'deletecollection'],
];
const objectMethods: readonly (readonly [verb: string, method: string, action: string])[] = [
  ['get', 'get', 'get'],
  ['update', 'put', 'put'],
  ['patch', 'patch', 'patch'],
  ['delete', 'delete', 'delete'],
];

const queryOf = (name: string): JsonObject => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });
const writeQueries = ['dryRun', 'fieldManager', 'fieldValidation'].map(queryOf);

function operation(row: Served, action: string, schema: Schema): JsonObject {
  const type = schema.typeOf(row.group, row.version, row.kind);
  const content = type ? { content: { 'application/json': { schema: reference(type) } } } : {};
  const writes = action === 'post' || action === 'put' || action === 'patch';
  return {
    ...(writes ? { parameters: [...writeQueries, ...(action === 'patch' ? [queryOf('force')] : [])] } : {}),
    ...(action === 'post' || action === 'put' ? { requestBody: { ...content } } : {}),
    responses: { 200: { description: 'OK', ...content } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: row.group, kind: row.kind, version: row.version },
  };
}

function pathItem(row: Served, rows: typeof methods, schema: Schema): JsonObject {
  const served = rows.filter(([verb]) => row.verbs.includes(verb));
  return Object.fromEntries(served.map(([, method, action]) => [method, operation(row, action, schema)]));
}

function paths(schema: Schema, gv: GroupVersion): JsonObject {
  const root = gv.group === '' ? `/api/${gv.version}` : `/apis/${gvOf(gv)}`;
  const entries = gv.rows.flatMap((row) => {
    const base = `${root}${row.namespaced ? '/namespaces/{namespace}' : ''}/${row.resource}`;
    const all: [string, JsonObject][] = [
      [base, pathItem(row, methods, schema)],
      [`${base}/{name}`, pathItem(row, objectMethods, schema)],
    ];
    return all.filter(([, item]) => Object.keys(item).length > 0);
  });
  return Object.fromEntries(entries);
}

/** The document of one group and version. */
export function openApiV3(schema: Schema, gv: GroupVersion, version: string): JsonObject {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version },
    paths: paths(schema, gv),
    components: { schemas: components(schema, gv) },
  };
}

/** OpenAPI v2 as protobuf: version, info and no paths. Old clients ask for it before they write and then check nothing. */
export const openApiV2Stub = Buffer.from('\x0a\x032.0\x12\x06\x0a\x01k\x12\x011\x42\x00', 'latin1');
