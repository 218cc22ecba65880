// What a request asks of the node, in the words of authorisation: a verb and the subresources of which one must be allowed.

export interface Attributes {
  readonly verb: string;
  /** Tried in order; the first that is allowed opens the door (KEP-2862, fine-grained kubelet authorisation). */
  readonly subresources: readonly string[];
}

const verbs: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

const subresources: ReadonlyMap<string, readonly string[]> = new Map([
  ['stats', ['stats']],
  ['metrics', ['metrics']],
  ['logs', ['log']],
  ['checkpoint', ['checkpoint']],
  ['statusz', ['statusz']],
  ['flagz', ['configz']],
  ['pods', ['pods', 'proxy']],
  ['runningpods', ['pods', 'proxy']],
  ['healthz', ['healthz', 'proxy']],
  ['configz', ['configz', 'proxy']],
]);

/** `segments` as `parseTarget` gives them: only the first, whole one decides. */
export function attributesOf(method: string, segments: readonly string[]): Attributes {
  return { verb: verbs.get(method) ?? '', subresources: subresources.get(segments[0] ?? '') ?? ['proxy'] };
}
