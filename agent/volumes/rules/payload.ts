// What stands in a written volume: files from ConfigMaps, Secrets, the pod itself and tokens.
import type { ConfigMap, Secret } from '../../../kube/types.ts';
import { badFilePath, cleanPath } from './paths.ts';
import { SetUpError } from './set-up-error.ts';

export interface PayloadFile {
  readonly data: Buffer;
  readonly mode: number;
  /** Owner, root where absent. */
  readonly uid?: number;
}

/** By clean relative path. A map, because a key may be called "__proto__". */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** Keys of an object as files: all of them under their own names, or the items given. */
export interface KeySelection {
  readonly items?: readonly { readonly key: string; readonly path: string; readonly mode?: number }[] | undefined;
  readonly optional?: boolean | undefined;
  readonly mode: number;
}

export const defaultFileMode = 0o644;

type Contents = ReadonlyMap<string, Buffer>;

function decoded(data: Readonly<Record<string, string>> | undefined, encoding: 'utf8' | 'base64'): [string, Buffer][] {
  return Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]);
}

/** `configMap` undefined: it does not exist. */
export function configMapPayload(configMap: ConfigMap | undefined, name: string, keys: KeySelection): Payload {
  if (!configMap) return missing(`configmap "${name}" not found`, keys);
  const contents = new Map([...decoded(configMap.data, 'utf8'), ...decoded(configMap.binaryData, 'base64')]);
  return select(contents, keys, (key) => `configmap references non-existent config key: ${key}`);
}

/** `secret` undefined: it does not exist. */
export function secretPayload(secret: Secret | undefined, name: string, keys: KeySelection): Payload {
  if (!secret) return missing(`secret "${name}" not found`, keys);
  return select(new Map(decoded(secret.data, 'base64')), keys, (key) => `references non-existent secret key: ${key}`);
}

function missing(message: string, { optional }: KeySelection): Payload {
  if (optional) return new Map();
  throw new SetUpError(message);
}

function select(contents: Contents, { items, optional, mode }: KeySelection, absent: (key: string) => string): Payload {
  if (!items?.length) return checkedPayload([...contents].map(([key, data]) => [key, { data, mode }]));
  const files: [string, PayloadFile][] = [];
  for (const item of items) {
    const data = contents.get(item.key);
    if (data) files.push([item.path, { data, mode: item.mode ?? mode }]);
    else if (!optional) throw new SetUpError(absent(item.key));
  }
  return checkedPayload(files);
}

/** Cleans every path; throws where one may not stand in a volume. Of two files with one path the later stays. */
export function checkedPayload(files: readonly (readonly [string, PayloadFile])[]): Payload {
  const payload = new Map<string, PayloadFile>();
  for (const [path, file] of files) {
    const bad = badFilePath(path);
    if (bad) throw new SetUpError(bad);
    payload.set(cleanPath(path), { ...file, mode: file.mode & 0o777 });
  }
  return payload;
}

/** Several sources in one volume: a later one wins where both have a path. */
export function mergePayloads(payloads: readonly Payload[]): Payload {
  return new Map(payloads.flatMap((payload) => [...payload]));
}
