// The downward API in files: the pod's metadata, and its containers' requests and limits. KEP and field names as in core/v1 DownwardAPIVolumeFile.
import { milliValue, parseQuantity, value } from '../../../kube/quantity.ts';
import type { Container, Pod } from '../../../kube/types.ts';
import { checkedPayload, type Payload, type PayloadFile } from './payload.ts';
import { SetUpError } from './set-up-error.ts';

export interface DownwardItem {
  readonly path: string;
  readonly mode?: number | undefined;
  readonly fieldRef?: { readonly fieldPath: string } | undefined;
  readonly resourceFieldRef?:
    | {
        readonly containerName?: string | undefined;
        readonly resource: string;
        readonly divisor?: string | number | undefined;
      }
    | undefined;
}

/** What the node has to give, as in its status: {"cpu": "2", "memory": "8Gi"}. */
export type Allocatable = Readonly<Record<string, string>>;

/** Files for the items; the text has no newline at its end. Throws `SetUpError`. */
export function downwardPayload(
  pod: Pod,
  items: readonly DownwardItem[],
  mode: number,
  allocatable: Allocatable,
): Payload {
  return checkedPayload(
    items.map((item): [string, PayloadFile] => {
      const data = Buffer.from(textOf(pod, item, allocatable), 'utf8');
      return [item.path, { data, mode: item.mode ?? mode }];
    }),
  );
}

function textOf(pod: Pod, { path, fieldRef, resourceFieldRef }: DownwardItem, allocatable: Allocatable): string {
  if (fieldRef) return fieldText(pod, fieldRef.fieldPath);
  if (!resourceFieldRef) throw new SetUpError(`downward API item "${path}" has neither fieldRef nor resourceFieldRef`);
  const { containerName, resource, divisor } = resourceFieldRef;
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const container = containers.find(({ name }) => name === containerName);
  if (!container) throw new SetUpError(`container ${containerName ?? ''} not found`);
  return resourceText(container, resource, divisor, allocatable);
}

const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/s;

function fieldText({ metadata }: Pod, path: string): string {
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace;
    case 'metadata.uid':
      return metadata.uid;
    case 'metadata.labels':
      return mapText(metadata.labels);
    case 'metadata.annotations':
      return mapText(metadata.annotations);
  }
  const [, kind, key = ''] = subscript.exec(path) ?? [];
  if (kind === undefined) throw new SetUpError(`unsupported fieldPath: ${path}`);
  const map = kind === 'labels' ? metadata.labels : metadata.annotations;
  return map && Object.hasOwn(map, key) ? (map[key] ?? '') : '';
}

/** One `key="value"` line each, sorted by key as bytes. */
function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([key, text]) => `${key}=${goQuoted(text)}`)
    .join('\n');
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** A double-quoted Go string literal, as %q prints it. */
export function goQuoted(text: string): string {
  const escaped = Array.from(text, (character) => {
    const short = shortEscapes[character];
    if (short !== undefined) return short;
    if (printable.test(character)) return character;
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return `"${escaped.join('')}"`;
}

const fromNode = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** ceil(quantity / divisor). A limit that is not set is what the node has to give; a request that is not set is 0. */
function resourceText(
  container: Container,
  resource: string,
  divisor: string | number | undefined,
  allocatable: Allocatable,
): string {
  const [, kind, name = ''] = /^(limits|requests)\.(.+)$/s.exec(resource) ?? [];
  if (!kind || !(fromNode.has(name) || name.startsWith('hugepages-'))) {
    throw new SetUpError(`unsupported container resource : ${resource}`);
  }
  const own = quantityIn(kind === 'limits' ? container.resources?.limits : container.resources?.requests, name);
  const usesNode = kind === 'limits' && fromNode.has(name) && amount(name, own) === 0;
  const quantity = usesNode ? (allocatable[name] ?? '0') : own;
  return String(Math.ceil(amount(name, quantity) / (amount(name, divisor ?? '1') || amount(name, '1'))));
}

function quantityIn(list: Readonly<Record<string, string | number>> | undefined, name: string): string | number {
  return list && Object.hasOwn(list, name) ? (list[name] ?? '0') : '0';
}

function amount(resource: string, quantity: string | number): number {
  const parsed = parseQuantity(quantity);
  return resource === 'cpu' ? milliValue(parsed) : value(parsed);
}
