// A container engine in memory that answers as Docker does: 404, 409, 304, and events in order.
import {
  type ContainerDetail,
  type ContainerPlan,
  type Engine,
  EngineError,
  type EngineEvent,
  type ImageDetail,
  isNotFound,
} from '../../agent/docker/engine.ts';

export interface FakeEngine extends Engine {
  /** An image that is there, or that a registry would give. */
  addImage(reference: string, where?: 'local' | 'registry', over?: Partial<ImageDetail>): void;
  /** Ends a running container as if its program had. */
  end(id: string, exitCode: number, how?: { readonly oomKilled?: boolean }): void;
  /** The plan that a container was created from. */
  planOf(id: string): ContainerPlan;
  /** Called before each call with its name; may throw to fail it. */
  intercept: (call: string) => void;
}

interface Entry {
  plan: ContainerPlan;
  detail: ContainerDetail;
}

const idOf = (number: number): string => number.toString(16).padStart(64, '0');

export function createFakeEngine(now: () => number = Date.now): FakeEngine {
  const containers = new Map<string, Entry>();
  const images = new Map<string, ImageDetail>();
  const registry = new Map<string, ImageDetail>();
  const listeners = new Set<(event: EngineEvent) => void>();
  let made = 0;

  const refuse = (what: string, reason: EngineError['reason'], detail: string): never => {
    throw new EngineError(what, { reason, detail });
  };
  const byName = (name: string): Entry | undefined =>
    [...containers.values()].find(({ detail }) => detail.name === name);
  function find(what: string, id: string): Entry {
    return containers.get(id) ?? byName(id) ?? refuse(what, 'NotFound', `No such container: ${id}`);
  }
  function change(entry: Entry, over: Partial<ContainerDetail>): void {
    entry.detail = { ...entry.detail, ...over };
  }
  function tell(action: EngineEvent['action'], { detail }: Entry): void {
    const event = { action, containerId: detail.id, labels: detail.labels, atMs: now() };
    for (const listener of listeners) listener(event);
  }
  function end(entry: Entry, exitCode: number, oomKilled = false): void {
    if (entry.detail.phase !== 'running') return;
    change(entry, { phase: 'exited', exitCode, oomKilled, pid: 0, finishedAtMs: now() });
    if (oomKilled) tell('oom', entry);
    tell('die', entry);
  }
  const inspectImage = (reference: string): ImageDetail =>
    images.get(reference) ??
    [...images.values()].find(({ id }) => id === reference) ??
    refuse(`Cannot inspect image "${reference}"`, 'NotFound', `No such image: ${reference}`);

  const engine: FakeEngine = {
    intercept: () => {},
    addImage: (reference, where = 'local', over = {}) => {
      made += 1;
      const detail: ImageDetail = {
        id: `sha256:${idOf(made)}`,
        tags: [reference],
        digests: [],
        sizeBytes: 1000,
        user: '',
        entrypoint: [],
        command: ['sh'],
        env: [],
        workingDir: '',
        stopSignal: '',
        ...over,
      };
      (where === 'local' ? images : registry).set(reference, detail);
    },
    end: (id, exitCode, how = {}) => end(find('Cannot end', id), exitCode, how.oomKilled),
    planOf: (id) => find('Cannot find', id).plan,

    info: async () => ({
      version: '20.10.24',
      apiVersion: '1.41',
      cgroupDriver: 'cgroupfs',
      cgroupVersion: 2,
      dataRoot: '/var/lib/docker',
      runtimes: ['runc'],
      defaultLogDriver: 'json-file',
    }),
    listContainers: async (labels) => {
      engine.intercept('listContainers');
      const wanted = Object.entries(labels);
      return [...containers.values()]
        .map(({ detail }) => detail)
        .filter((detail) =>
          wanted.every(([name, text]) => (text === '' ? name in detail.labels : detail.labels[name] === text)),
        );
    },
    inspectContainer: async (id) => {
      engine.intercept('inspectContainer');
      return find(`Cannot inspect container "${id}"`, id).detail;
    },
    createContainer: async (plan) => {
      engine.intercept('createContainer');
      const what = `Cannot create container "${plan.name}"`;
      const image = await Promise.resolve()
        .then(() => inspectImage(plan.image))
        .catch((error: unknown) =>
          isNotFound(error)
            ? refuse(what, 'NotFound', `No such image: ${plan.image}`)
            : refuse(what, 'ServerError', ''),
        );
      const other = byName(plan.name);
      if (other) {
        refuse(
          what,
          'Conflict',
          `Conflict. The container name "/${plan.name}" is already in use by container "${other.detail.id}".`,
        );
      }
      made += 1;
      const id = idOf(made);
      const detail: ContainerDetail = {
        id,
        name: plan.name,
        phase: 'created',
        imageId: image.id,
        image: plan.image,
        labels: plan.labels,
        createdAtMs: now(),
        pid: 0,
        exitCode: 0,
        oomKilled: false,
        error: '',
        startedAtMs: undefined,
        finishedAtMs: undefined,
        logPath: `/var/lib/docker/containers/${id}/${id}-json.log`,
        networkMode: plan.networkMode ?? 'default',
        tty: plan.tty ?? false,
        openStdin: plan.openStdin ?? false,
        user: plan.user ?? '',
        resources: plan.resources ?? { cpuShares: 0, cpuQuotaMicros: 0, cpuPeriodMicros: 0, memoryBytes: 0 },
      };
      const entry = { plan, detail };
      containers.set(id, entry);
      tell('create', entry);
      return id;
    },
    startContainer: async (id) => {
      engine.intercept('startContainer');
      const entry = find(`Cannot start container "${id}"`, id);
      if (entry.detail.phase === 'running') return;
      made += 1;
      change(entry, { phase: 'running', pid: 1000 + made, startedAtMs: now(), finishedAtMs: undefined, exitCode: 0 });
      tell('start', entry);
    },
    stopContainer: async (id) => {
      engine.intercept('stopContainer');
      const entry = containers.get(id);
      if (entry) end(entry, 143);
    },
    killContainer: async (id) => {
      engine.intercept('killContainer');
      const entry = find(`Cannot kill container "${id}"`, id);
      if (entry.detail.phase !== 'running') {
        refuse(`Cannot kill container "${id}"`, 'Conflict', `Container ${id} is not running`);
      }
      end(entry, 137);
    },
    removeContainer: async (id) => {
      engine.intercept('removeContainer');
      const entry = containers.get(id);
      if (!entry) return;
      end(entry, 137);
      containers.delete(id);
      tell('destroy', entry);
    },
    updateContainer: async (id, resources) => {
      change(find(`Cannot update container "${id}"`, id), { resources });
    },
    containerLogs: async function* (id) {
      find(`Cannot read logs of container "${id}"`, id);
      yield* [];
    },
    exec: async (id) => {
      const what = `Cannot exec in container "${id}"`;
      if (find(what, id).detail.phase !== 'running') refuse(what, 'Conflict', `Container ${id} is not running`);
      return {
        output: (async function* () {})(),
        stdin: undefined,
        resize: async () => {},
        close: () => {},
        exitCode: async () => 0,
        pid: async () => 0,
      };
    },
    attach: async (id) => {
      find(`Cannot attach to container "${id}"`, id);
      return { output: (async function* () {})(), stdin: undefined, resize: async () => {}, close: () => {} };
    },
    events: async function* (signal) {
      const queue: EngineEvent[] = [];
      let wake = (): void => {};
      const listener = (event: EngineEvent): void => {
        queue.push(event);
        wake();
      };
      listeners.add(listener);
      signal.addEventListener('abort', () => wake(), { once: true });
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event) yield event;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        listeners.delete(listener);
      }
    },
    listImages: async () => [...images.values()],
    inspectImage: async (reference) => inspectImage(reference),
    pullImage: async (reference) => {
      engine.intercept('pullImage');
      const image = registry.get(reference);
      if (!image)
        return refuse(
          `Cannot pull image "${reference}"`,
          'NotFound',
          `manifest for ${reference} not found: manifest unknown`,
        );
      images.set(reference, image);
    },
    removeImage: async (reference) => {
      inspectImage(reference);
      for (const [name, { id }] of images) if (name === reference || id === reference) images.delete(name);
    },
    importImage: async (tar, reference) => {
      tar.resume();
      engine.addImage(reference);
      return inspectImage(reference).id;
    },
  };
  return engine;
}
