// An API server in memory that behaves: resource versions, 404, 409, watches, patches, the status subresource, graceful pod deletion.
import type { ApiClient, DeleteOptions, ListOptions, Patch, WatchOptions } from '../../kube/client.ts';
import { ApiError, type ApiErrorReason } from '../../kube/errors.ts';
import { type ObjectName, type Resource, resourcePath } from '../../kube/resources.ts';
import { matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from '../../kube/selectors.ts';
import type { KubeList, KubeObject, WatchEvent } from '../../kube/types.ts';
import { mergePatch } from './merge-patch.ts';

type Stored = KubeObject & { spec?: { nodeName?: string }; status?: unknown };
type Filter = (object: Stored) => boolean;

/** One request that was made, failed ones included. */
export interface FakeRequest {
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete' | 'post' | 'watch' | 'request';
  /** "/api/v1/namespaces/default/pods/web/status" */
  readonly path: string;
  readonly body?: unknown;
}

export interface FakeApi extends ApiClient {
  /** Everything asked since the start, in order. */
  readonly requests: readonly FakeRequest[];
  /** Stores an object as it is, as another client would, and tells the watchers. */
  put<T>(of: Resource<T>, object: T): T;
  /** The stored object, undefined where there is none. */
  peek<T>(of: Resource<T>, at: ObjectName): T | undefined;
  all<T>(of: Resource<T>): readonly T[];
  /** The next `times` requests for which `match` holds fail with this error. */
  fail(match: (request: FakeRequest) => boolean, error: ApiError, times?: number): void;
  /** Resolves with the first request, past or to come, for which `match` holds. */
  seen(match: (request: FakeRequest) => boolean): Promise<FakeRequest>;
  /** Ends every watch, as a server that restarts does. */
  breakWatches(): void;
}

export interface FakeApiOptions {
  /** For creationTimestamp and deletionTimestamp. */
  readonly now?: () => number;
  /** Answers `post` and `request`; without it they answer 404. */
  readonly answer?: (request: FakeRequest & { method?: string }) => unknown;
}

const codes: Partial<Record<ApiErrorReason, number>> = {
  NotFound: 404,
  Conflict: 409,
  AlreadyExists: 409,
  Invalid: 422,
};

export function apiError(reason: ApiErrorReason, what = reason as string): ApiError {
  return new ApiError(what, { reason, code: codes[reason] ?? 0 });
}

const copy = <T>(value: T): T => structuredClone(value);

function fieldOf(object: unknown, path: string): string | undefined {
  let value = object;
  for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return value === undefined || value === null ? undefined : String(value);
}

function filterOf({ namespace, labelSelector, fieldSelector }: Partial<ListOptions & WatchOptions>): Filter {
  const labels = parseLabelSelector(labelSelector ?? '');
  const fields = parseFieldSelector(fieldSelector ?? '');
  return (object) =>
    (!namespace || object.metadata.namespace === namespace) &&
    matchesLabels(labels, object.metadata.labels) &&
    matchesFields(fields, (path) => fieldOf(object, path));
}

/** An empty API server. */
export function createFakeApi({ now = () => 0, answer }: FakeApiOptions = {}): FakeApi {
  const objects = new Map<string, Stored>();
  const history: { path: string; event: WatchEvent<Stored> }[] = [];
  const requests: FakeRequest[] = [];
  const failures: { match: (request: FakeRequest) => boolean; error: ApiError; left: number }[] = [];
  let waiting: { match: (request: FakeRequest) => boolean; resolve: (request: FakeRequest) => void }[] = [];
  let wake = Promise.withResolvers<void>();
  let version = 0;
  let uids = 0;
  let watchEra = 0;

  const time = (): string => new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z');

  function received(request: FakeRequest): void {
    const kept = copy(request);
    requests.push(kept);
    for (const { resolve } of waiting.filter(({ match }) => match(kept))) resolve(kept);
    waiting = waiting.filter(({ match }) => !match(kept));
    const failure = failures.find(({ match, left }) => left > 0 && match(kept));
    if (!failure) return;
    failure.left--;
    throw failure.error;
  }

  function tell(type: 'ADDED' | 'MODIFIED' | 'DELETED', path: string, object: Stored): void {
    history.push({ path, event: { type, object } });
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function store(of: Resource<unknown>, object: Stored): Stored {
    const path = resourcePath(of, object.metadata);
    const before = objects.get(path);
    const { metadata } = object;
    metadata.uid ??= before?.metadata.uid ?? `uid-${++uids}`;
    metadata.creationTimestamp ??= before?.metadata.creationTimestamp ?? time();
    metadata.resourceVersion = String(++version);
    const { apiVersion: _, kind: __, ...rest } = copy(object);
    const group = of.group === '' ? of.version : `${of.group}/${of.version}`;
    const kept = { apiVersion: group, kind: of.kind, ...rest };
    objects.set(path, kept);
    tell(before ? 'MODIFIED' : 'ADDED', resourcePath(of), kept);
    return kept;
  }

  function find(of: Resource<unknown>, at: ObjectName): Stored {
    const found = objects.get(resourcePath(of, at));
    if (!found) throw apiError('NotFound', `${of.plural} "${at.name}" not found`);
    return found;
  }

  /** A write of an object that is there: nothing moves where nothing changed, and finished deletions remove it. */
  function replace(of: Resource<unknown>, before: Stored, after: Stored): Stored {
    if (after.metadata.uid !== before.metadata.uid)
      throw apiError('Conflict', 'Precondition failed: UID in precondition');
    after.metadata.resourceVersion = before.metadata.resourceVersion ?? '';
    if (JSON.stringify(after) === JSON.stringify(before)) return before;
    const kept = store(of, after);
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = kept.metadata;
    if (deletionTimestamp && !deletionGracePeriodSeconds && !finalizers?.length) remove(of, kept);
    return kept;
  }

  function remove(of: Resource<unknown>, object: Stored): void {
    objects.delete(resourcePath(of, object.metadata));
    const last = copy(object);
    last.metadata.resourceVersion = String(++version);
    tell('DELETED', resourcePath(of), last);
  }

  /** A write of the status leaves the spec alone, any other write leaves the status alone. */
  function withoutTheRest(before: Stored, after: Stored, subresource: string | undefined): Stored {
    if (subresource === 'status') return { ...before, metadata: after.metadata, status: after.status };
    return { ...after, ...(before.status === undefined ? {} : { status: before.status }) };
  }

  function deletePod(pod: Stored, graceSeconds: number): Stored | undefined {
    if (graceSeconds === 0 && !pod.metadata.finalizers?.length) return undefined;
    const { metadata } = copy(pod);
    metadata.deletionTimestamp ??= time();
    metadata.deletionGracePeriodSeconds = Math.min(graceSeconds, metadata.deletionGracePeriodSeconds ?? graceSeconds);
    return { ...pod, metadata };
  }

  function doDelete(of: Resource<unknown>, at: ObjectName, options: DeleteOptions): void {
    const found = find(of, at);
    const wanted = options.preconditions;
    if (wanted?.uid && wanted.uid !== found.metadata.uid) throw apiError('Conflict', 'Precondition failed: UID');
    const spec = found.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined;
    const graceful = of.plural === 'pods' && spec?.nodeName;
    const graceSeconds = graceful ? (options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30) : 0;
    const left = deletePod(found, graceSeconds);
    if (left) store(of, left);
    else remove(of, found);
  }

  async function* watch<T>(of: Resource<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>> {
    const path = resourcePath(of, options.namespace ? { namespace: options.namespace } : {});
    received({ verb: 'watch', path });
    const matches = filterOf(options);
    const era = watchEra;
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    let from = Number(options.resourceVersion ?? 0);
    for (;;) {
      const woken = wake.promise;
      for (const { path: changed, event } of history) {
        const at = Number((event.object as Stored).metadata.resourceVersion);
        if (changed !== resourcePath(of) || at <= from || !matches(event.object as Stored)) continue;
        from = at;
        yield copy(event) as WatchEvent<T>;
      }
      if (signal.aborted || era !== watchEra) return;
      await Promise.race([woken, stopped]);
      signal.throwIfAborted();
    }
  }

  return {
    requests,
    put: (of, object) => copy(store(of, copy(object) as Stored)) as typeof object,
    peek: <T>(of: Resource<T>, at: ObjectName) => copy(objects.get(resourcePath(of, at))) as T | undefined,
    all: <T>(of: Resource<T>) =>
      [...objects.values()].filter((object) => object.kind === of.kind).map(copy) as unknown as readonly T[],
    fail: (match, error, times = 1) => failures.push({ match, error, left: times }),
    seen: (match) => {
      const past = requests.find(match);
      return past ? Promise.resolve(past) : new Promise((resolve) => waiting.push({ match, resolve }));
    },
    breakWatches: () => {
      watchEra++;
      wake.resolve();
      wake = Promise.withResolvers();
    },
    get: async <T>(of: Resource<T>, at: ObjectName) => {
      received({ verb: 'get', path: resourcePath(of, at) });
      return copy(find(of, at)) as T;
    },
    list: async <T>(of: Resource<T>, options: ListOptions = {}) => {
      received({ verb: 'list', path: resourcePath(of, options.namespace ? { namespace: options.namespace } : {}) });
      const matches = filterOf(options);
      const items = [...objects.values()].filter((object) => object.kind === of.kind && matches(object));
      const metadata = { resourceVersion: String(version) };
      return copy({ apiVersion: 'v1', kind: `${of.kind}List`, metadata, items }) as unknown as KubeList<T>;
    },
    create: async <T>(of: Resource<T>, object: T) => {
      const fresh = copy(object) as Stored;
      const { generateName, namespace } = fresh.metadata;
      received({ verb: 'create', path: resourcePath(of, namespace ? { namespace } : {}), body: object });
      if (generateName && !fresh.metadata.name) fresh.metadata.name = `${generateName}${version + 1}`;
      if (objects.has(resourcePath(of, fresh.metadata)))
        throw apiError('AlreadyExists', `${of.plural} "${fresh.metadata.name}" already exists`);
      return copy(store(of, fresh)) as T;
    },
    update: async <T extends KubeObject>(of: Resource<T>, object: T, subresource?: string) => {
      received({ verb: 'update', path: resourcePath(of, object.metadata, subresource), body: object });
      const before = find(of, object.metadata);
      const { resourceVersion, uid } = object.metadata;
      if (resourceVersion && resourceVersion !== before.metadata.resourceVersion)
        throw apiError('Conflict', 'the object has been modified; please apply your changes to the latest version');
      const after = withoutTheRest(before, copy(object) as Stored, subresource);
      after.metadata.uid = uid ?? before.metadata.uid ?? '';
      return copy(replace(of, before, after)) as unknown as T;
    },
    patch: async <T>(of: Resource<T>, at: ObjectName, { type, body, subresource }: Patch) => {
      received({ verb: 'patch', path: resourcePath(of, at, subresource), body });
      if (type !== 'strategic' && type !== 'merge') throw apiError('UnsupportedMediaType');
      const before = find(of, at);
      const after = copy(mergePatch(before, body, type)) as Stored;
      return copy(replace(of, before, withoutTheRest(before, after, subresource))) as T;
    },
    delete: async (of, at, options = {}) => {
      received({ verb: 'delete', path: resourcePath(of, at), body: options });
      doDelete(of, at, options);
    },
    post: async <A>(of: Resource<unknown>, at: ObjectName, subresource: string, body: unknown) => {
      const request: FakeRequest = { verb: 'post', path: resourcePath(of, at, subresource), body };
      received(request);
      if (!answer) throw apiError('NotFound');
      return answer(request) as A;
    },
    watch,
    request: async <A>(method: string, path: string, body?: unknown) => {
      const request: FakeRequest = { verb: 'request', path, body };
      received(request);
      if (!answer) throw apiError('NotFound');
      return answer({ ...request, method }) as A;
    },
    close: async () => {},
  };
}
