// Puts the DNS server into the API: ensures the Service and this server's slice, takes the slice away in the end.
import type { Clock } from '../../host/clock.ts';
import type { ApiClient } from '../../kube/client.ts';
import { ApiError, isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import { endpointSlices, type ObjectName, type Resource, services } from '../../kube/resources.ts';
import type { EndpointSlice, Service } from '../../kube/types.ts';
import { dnsService, isForeign, leadsElsewhere, type Published, wantedService, wantedSlice } from './rules/publish.ts';

const pauseMs = 200;
const patienceMs = 30_000;

async function find<T>(
  client: ApiClient,
  of: Resource<T>,
  at: ObjectName,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await client.get(of, at, signal);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The Service, made where there is none. An address that somebody took before us leaves us with any other. */
export async function ensureService(client: ApiClient, wish: Published, signal: AbortSignal): Promise<Service> {
  const known = await find(client, services, dnsService, signal);
  if (known) return known;
  try {
    return await client.create(services, wantedService(wish) as Service, signal);
  } catch (error) {
    if (isAlreadyExists(error)) return client.get(services, dnsService, signal);
    const isTaken = error instanceof ApiError && error.reason === 'Invalid' && wish.clusterIp !== undefined;
    if (!isTaken) throw error;
    return client.create(services, wantedService({ ...wish, clusterIp: undefined }) as Service, signal);
  }
}

/** Repeats while the namespace is still being made, as it is in a new cluster. */
export async function ensureServiceSoon(
  client: ApiClient,
  wish: Published,
  clock: Clock,
  signal: AbortSignal,
): Promise<Service> {
  for (const end = clock.now() + patienceMs; ; await clock.sleep(pauseMs, signal)) {
    try {
      return await ensureService(client, wish, signal);
    } catch (error) {
      if (!isNotFound(error) || clock.now() > end) throw error;
    }
  }
}

/** Makes the slice say what it should; does nothing where it does, or where the Service became somebody else's. */
export async function ensurePublished(client: ApiClient, wish: Published, signal: AbortSignal): Promise<void> {
  const service = await ensureService(client, wish, signal);
  if (isForeign(service)) return withdraw(client, wish, signal);
  const wanted = wantedSlice(wish);
  const { metadata } = wanted;
  const known = await find(client, endpointSlices, metadata, signal);
  if (!known) return void (await client.create(endpointSlices, wanted as EndpointSlice, signal));
  if (!leadsElsewhere(known, wanted)) return;
  const { ports = [], endpoints = [] } = wanted;
  await client.update(endpointSlices, { ...known, ports, endpoints }, undefined, signal);
}

/** Takes this server's slice away; gone already is what was wanted. */
export async function withdraw(client: ApiClient, wish: Published, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(endpointSlices, wantedSlice(wish).metadata, {}, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
