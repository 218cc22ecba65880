// Containers and their events over the engine's API.
import type { Engine } from './engine.ts';
import { EngineError, isNotFound } from './engine.ts';
import { toEngineError } from './errors.ts';
import { jsonLines } from './lines.ts';
import type { Transport } from './transport.ts';
import * as wire from './wire.ts';

type ContainerMethods = Pick<
  Engine,
  | 'listContainers'
  | 'inspectContainer'
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'killContainer'
  | 'removeContainer'
  | 'updateContainer'
  | 'events'
>;

const deadlineMs = 120_000;

async function unless(isFine: (error: unknown) => boolean, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isFine(error)) throw error;
  }
}

const isNotModified = (error: unknown): boolean => error instanceof EngineError && error.reason === 'NotModified';

/** `newer` speaks a version that knows more kinds of mounts, where the engine does. */
export function createContainerCalls(transport: Transport, newer = transport): ContainerMethods {
  return {
    listContainers: async (labels, signal) => {
      const label = Object.entries(labels).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
      const found = await transport.json<wire.WireSummary[]>({
        what: 'Cannot list containers',
        method: 'GET',
        path: '/containers/json',
        query: { all: '1', filters: JSON.stringify({ label }) },
        signal,
      });
      return found.map(wire.toSummary);
    },

    inspectContainer: async (id, signal) => {
      const what = `Cannot inspect container "${id}"`;
      const path = `/containers/${encodeURIComponent(id)}/json`;
      return wire.toDetail(await transport.json<wire.WireDetail>({ what, method: 'GET', path, signal }));
    },

    createContainer: async (plan, signal) => {
      const created = await (wire.needsNewApi(plan) ? newer : transport).json<{ Id: string }>({
        what: `Cannot create container "${plan.name}"`,
        method: 'POST',
        path: '/containers/create',
        query: { name: plan.name },
        body: wire.toCreateBody(plan),
        signal,
      });
      return created.Id;
    },

    startContainer: (id, signal) =>
      unless(
        isNotModified,
        transport.json({
          what: `Cannot start container "${id}"`,
          method: 'POST',
          path: `/containers/${id}/start`,
          signal,
        }),
      ),

    stopContainer: (id, graceSeconds, signal) =>
      unless(
        (error) => isNotFound(error) || isNotModified(error),
        transport.json({
          what: `Cannot stop container "${id}"`,
          method: 'POST',
          path: `/containers/${id}/stop`,
          query: { t: String(graceSeconds) },
          // The engine answers when the container has stopped.
          deadlineMs: graceSeconds * 1000 + deadlineMs,
          signal,
        }),
      ),

    killContainer: async (id, unixSignal, signal) => {
      const what = `Cannot kill container "${id}"`;
      const query = { signal: unixSignal };
      await transport.json({ what, method: 'POST', path: `/containers/${id}/kill`, query, signal });
    },

    removeContainer: (id, signal) =>
      unless(
        isNotFound,
        transport.json({
          what: `Cannot remove container "${id}"`,
          method: 'DELETE',
          path: `/containers/${id}`,
          query: { force: '1', v: '1' },
          signal,
        }),
      ),

    updateContainer: async (id, resources, signal) => {
      const what = `Cannot update container "${id}"`;
      const body = wire.toWireResources(resources);
      await transport.json({ what, method: 'POST', path: `/containers/${id}/update`, body, signal });
    },

    events: async function* (signal) {
      const what = 'Cannot read events';
      const query = { filters: JSON.stringify({ type: ['container'] }) };
      const body = await transport.stream({ what, method: 'GET', path: '/events', query, signal });
      try {
        for await (const event of jsonLines<wire.WireEvent>(what, body)) yield wire.toEvent(event);
      } catch (error) {
        if (signal.aborted) return;
        throw toEngineError(what, error);
      } finally {
        body.destroy();
      }
      if (!signal.aborted) throw new EngineError(what, { reason: 'Unreachable', detail: 'the stream ended' });
    },
  };
}
