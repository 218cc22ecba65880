// The query parameters of writes, lists and deletions, read and checked.
import type { Request } from '../context.ts';
import type { Kind } from '../kinds/kind.ts';
import { isObject } from '../model.ts';
import type { ListQuery } from '../registry.ts';
import type { DeleteOptions } from '../rules/deletion.ts';
import type { Decoder } from '../rules/protobuf.ts';
import { selectionOf } from '../rules/selector.ts';
import { badRequest, StatusError } from '../rules/status-error.ts';
import { decodeBody } from './body.ts';

function optionsInvalid(kind: string, field: string, message: string): StatusError {
  return new StatusError(422, 'Invalid', `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind,
    causes: [{ reason: 'FieldValueInvalid', field, message }],
  });
}

/** `dryRun=All` or nothing. */
export function readDryRun(query: URLSearchParams, kind: string): boolean {
  const asked = query.getAll('dryRun').filter((one) => one !== '');
  if (asked.some((one) => one !== 'All')) {
    throw optionsInvalid(kind, 'dryRun', `Unsupported value: ${JSON.stringify(asked[0])}: supported values: "All"`);
  }
  return asked.length > 0;
}

/** `Warn` is what upstream does when nobody asks. */
export function readFieldValidation(query: URLSearchParams): Request['fieldValidation'] {
  const asked = query.get('fieldValidation') || 'Warn';
  if (asked === 'Strict' || asked === 'Warn' || asked === 'Ignore') return asked;
  const supported = 'supported values: "", "Ignore", "Strict", "Warn"';
  throw optionsInvalid('CreateOptions', 'fieldValidation', `Unsupported value: ${JSON.stringify(asked)}: ${supported}`);
}

function readCount(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^\d{1,15}$/.test(value))
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(value)}: want a whole number`);
  return Number(value);
}

export function readListQuery(kind: Kind, query: URLSearchParams, name: string): ListQuery {
  const fields = query.get('fieldSelector') ?? '';
  // A watch of one object is a list that selects its name.
  const fieldSelector = name === '' ? fields : [fields, `metadata.name=${name}`].filter((one) => one !== '').join(',');
  const limit = readCount(query, 'limit');
  const token = query.get('continue');
  const match = query.get('resourceVersionMatch');
  const resourceVersion = query.get('resourceVersion');
  const isUnset = resourceVersion === null || resourceVersion === '';
  if (token && resourceVersion && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (match && isUnset && query.get('sendInitialEvents') === null) {
    throw optionsInvalid(
      'ListOptions',
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  return {
    selection: selectionOf(kind, query.get('labelSelector') ?? '', fieldSelector),
    ...(limit === undefined ? {} : { limit }),
    ...(token ? { continue: token } : {}),
    ...(isUnset ? {} : { resourceVersion }),
    ...(match ? { resourceVersionMatch: match } : {}),
  };
}

export const readSeconds = readCount;
export const isSet = (query: URLSearchParams, name: string): boolean => {
  const value = query.get(name);
  return value !== null && value !== '0' && value !== 'false';
};

const policies = new Set(['Background', 'Foreground', 'Orphan']);

/** From the body where there is one, else from the query. `dryRun` may stand in either. */
export function readDeleteOptions(
  bytes: Buffer,
  contentType: string | undefined,
  query: URLSearchParams,
  decoder: Decoder,
): DeleteOptions & { dryRun: boolean } {
  const body = bytes.length === 0 ? {} : decodeBody(contentType, bytes, decoder).value;
  const seconds = body['gracePeriodSeconds'] ?? readCount(query, 'gracePeriodSeconds');
  const propagationPolicy = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? undefined;
  const dryRun = Array.isArray(body['dryRun']) && body['dryRun'].length > 0;
  if (propagationPolicy !== undefined && !policies.has(String(propagationPolicy))) {
    const supported = 'supported values: "Background", "Foreground", "Orphan"';
    throw optionsInvalid(
      'DeleteOptions',
      'propagationPolicy',
      `Unsupported value: ${JSON.stringify(propagationPolicy)}: ${supported}`,
    );
  }
  if (seconds !== undefined && !Number.isInteger(seconds)) throw badRequest('gracePeriodSeconds: want a whole number');
  const preconditions = isObject(body['preconditions']) ? body['preconditions'] : undefined;
  return {
    dryRun: dryRun || readDryRun(query, 'DeleteOptions'),
    ...(seconds === undefined ? {} : { gracePeriodSeconds: Number(seconds) }),
    ...(preconditions ? { preconditions } : {}),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy: String(propagationPolicy) }),
  };
}
