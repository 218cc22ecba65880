// The scale subresource: read, replaced or patched as a small object of its own.
import type { Parts, Request } from '../context.ts';
import type { ApiObject } from '../model.ts';
import type { Registry } from '../registry.ts';
import type { Decoder } from '../rules/protobuf.ts';
import { scaleOf, withScale } from '../rules/scale.ts';
import { mediaType } from './body.ts';
import { decodeObject, type Expected, readTyped } from './decode.ts';
import { readPatch } from './patch.ts';
import { readBody } from './request-body.ts';
import type { Exchange } from './resources.ts';
import { sendObject } from './respond.ts';

const expected: Expected = { apiVersion: 'autoscaling/v1', kind: 'Scale', type: 'autoscaling/v1.Scale' };

export interface ScaleParts extends Parts {
  readonly registry: Registry;
  readonly decoder: Decoder;
}

export async function serveScale(parts: ScaleParts, exchange: Exchange, request: Request): Promise<void> {
  const { incoming, outgoing, route } = exchange;
  const main = { ...request, subresource: '' };
  const object = route.verb === 'get' ? await parts.registry.get(main) : await write(parts, exchange, request);
  await sendObject(incoming, outgoing, scaleOf(request.kind, object), { warnings: request.warnings });
}

async function write(parts: ScaleParts, { incoming, route }: Exchange, request: Request): Promise<ApiObject> {
  const { schema, registry, decoder } = parts;
  const type = incoming.headers['content-type'];
  const bytes = await readBody(incoming);
  const { kind, fieldValidation, warnings } = request;
  if (route.verb === 'update') {
    const scale = decodeObject(schema, decoder, expected, type, bytes, request);
    return registry.update(request, (current) => withScale(kind, current, scale));
  }
  const change = readPatch(schema, expected.type, mediaType(type), bytes.toString('utf8'));
  return registry.update(request, (current) => {
    const value = change(scaleOf(kind, current));
    return withScale(kind, current, readTyped(schema, expected, { value, duplicates: [] }, fieldValidation, warnings));
  });
}
