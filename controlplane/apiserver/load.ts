// Loads the API's type table once.
import data from './kube-api.data.json' with { type: 'json' };
import { type ApiData, createSchema, type Schema } from './rules/schema.ts';

export function loadSchema(): Schema {
  return createSchema(data as unknown as ApiData);
}
