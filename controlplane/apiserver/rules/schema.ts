// The types of the API as a table, and the ways to walk an object along it.

export interface Field {
  readonly type: string;
  readonly required?: boolean;
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  /** Protobuf field number. */
  readonly wire?: number;
  readonly wireType?: 'bytes' | 'varint';
  /** A zero on the wire is a real zero; without it a zero means absent. */
  readonly pointer?: boolean;
  /** Go type; only below "wire:" types. */
  readonly go?: string;
}

export interface Type {
  readonly gvk?: readonly [group: string, version: string, kind: string];
  readonly scalar?: string;
  readonly fields?: Readonly<Record<string, Field>>;
  /** Fields that JSON flattens and protobuf nests: [number, type]. */
  readonly wireInline?: readonly (readonly [number, string])[];
}

export interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly group?: string;
  readonly version?: string;
}

export interface ResourceRow {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
}

export interface ApiData {
  readonly types: Readonly<Record<string, Type>>;
  readonly resources: readonly ResourceRow[];
}

/** What stands behind a type's text: `[]T`, `map:T`, `T`. */
export type Shape =
  | { readonly kind: 'list'; readonly item: string }
  | { readonly kind: 'map'; readonly item: string }
  | { readonly kind: 'struct'; readonly type: Type; readonly name: string }
  | { readonly kind: 'scalar'; readonly scalar: string };

export interface Schema {
  readonly data: ApiData;
  type(name: string): Type | undefined;
  shape(type: string): Shape;
  /** The type's name of a group, version and kind; the kind's case does not count. */
  typeOf(group: string, version: string, kind: string): string | undefined;
  field(typeName: string, field: string): Field | undefined;
}

/** Types whose text is more than a string: each is read and written in its own way. */
const special: Readonly<Record<string, string>> = {
  'api.resource.Quantity': 'quantity',
  'meta/v1.Time': 'time',
  'meta/v1.MicroTime': 'microtime',
  'util.intstr.IntOrString': 'int-or-string',
};

export function createSchema(data: ApiData): Schema {
  const shapes = new Map<string, Shape>();
  const byKind = new Map<string, string>();
  for (const [name, type] of Object.entries(data.types)) {
    if (type.gvk) byKind.set(type.gvk.join('/').toLowerCase(), name);
  }
  const type = (name: string): Type | undefined => (Object.hasOwn(data.types, name) ? data.types[name] : undefined);

  function shapeOf(text: string): Shape {
    if (text.startsWith('[]')) return { kind: 'list', item: text.slice(2) };
    if (text.startsWith('map:')) return { kind: 'map', item: text.slice(4) };
    const scalar = special[text];
    if (scalar) return { kind: 'scalar', scalar };
    const found = type(text);
    if (found?.fields) return { kind: 'struct', type: found, name: text };
    return { kind: 'scalar', scalar: found?.scalar ?? text };
  }

  return {
    data,
    type,
    shape: (text) => {
      const known = shapes.get(text) ?? shapeOf(text);
      shapes.set(text, known);
      return known;
    },
    typeOf: (group, version, kind) => byKind.get(`${group}/${version}/${kind}`.toLowerCase()),
    field: (typeName, field) => {
      const fields = type(typeName)?.fields;
      return fields && Object.hasOwn(fields, field) ? fields[field] : undefined;
    },
  };
}
