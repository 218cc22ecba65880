// A patch as it comes in: which kind of patch, and what it makes of an object.
import type { ApiObject, JsonObject } from '../model.ts';
import { jsonPatch, mergePatch } from '../rules/patch/merge.ts';
import { strategicPatch } from '../rules/patch/strategic.ts';
import type { Schema } from '../rules/schema.ts';
import { badRequest, unsupportedMediaType } from '../rules/status-error.ts';
import { parseJsonBody } from './body.ts';

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const;

/** `type` is the object's in the schema. Throws a 400 or 415 `StatusError`; so may the change that it returns. */
export function readPatch(
  schema: Schema,
  type: string,
  media: string,
  text: string,
): (current: ApiObject) => JsonObject {
  switch (media) {
    case 'application/json-patch+json': {
      const operations = parseOperations(text);
      return (current) => jsonPatch(current, operations) as JsonObject;
    }
    case 'application/merge-patch+json': {
      const { value } = parseJsonBody(text);
      return (current) => mergePatch(current, value) as JsonObject;
    }
    case 'application/strategic-merge-patch+json': {
      const { value } = parseJsonBody(text);
      return (current) => strategicPatch(schema, type, current, value);
    }
    default:
      throw unsupportedMediaType(patchTypes);
  }
}

function parseOperations(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`error decoding patch: ${String(error)}`);
  }
}
