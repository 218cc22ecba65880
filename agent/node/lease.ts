// The node's heartbeat: a Lease in kube-node-lease, renewed every ten seconds.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import { leases } from '../../kube/resources.ts';
import type { Lease, Node } from '../../kube/types.ts';

export interface LeaseParts {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly leaseSeconds: number;
  /** The Node object, which owns the lease; undefined while it is not known. */
  readonly node: () => Node | undefined;
  /** 0 to 1: spreads the renewals of many nodes. */
  readonly random: () => number;
}

const namespace = 'kube-node-lease';
const quickTries = 5;
const firstPauseMs = 100;
const lastPauseMs = 7000;

/** A quarter of the lease's life: four renewals may fail before the node counts as lost. */
const renewEveryMs = (leaseSeconds: number): number => (leaseSeconds * 1000) / 4;

function renewed(before: Lease | undefined, { nodeName, leaseSeconds, node, clock }: LeaseParts): Lease {
  const owner = node()?.metadata;
  const ownerReferences = owner?.uid
    ? [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: owner.uid }]
    : before?.metadata.ownerReferences;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...(before?.metadata ?? { name: nodeName, namespace, uid: '' }),
      ...(ownerReferences ? { ownerReferences } : {}),
    },
    spec: {
      ...before?.spec,
      holderIdentity: nodeName,
      leaseDurationSeconds: leaseSeconds,
      // Microseconds, as the API's MicroTime wants them.
      renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z'),
    },
  };
}

/** Renews until `signal` ends. Never rejects: a server that is away is tried again and again. */
export async function keepLease(parts: LeaseParts, signal: AbortSignal): Promise<void> {
  const { client, clock, log, nodeName, leaseSeconds, random } = parts;
  const at = { namespace, name: nodeName };
  let known: Lease | undefined;

  /** A request that hangs must not cost more than one renewal. */
  const deadline = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(renewEveryMs(leaseSeconds))]);

  async function put(before: Lease): Promise<void> {
    known = await client.update(leases, renewed(before, parts), undefined, deadline());
  }

  async function ensure(): Promise<void> {
    try {
      await put(await client.get(leases, at, deadline()));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const { uid: _, ...metadata } = renewed(undefined, parts).metadata;
      const fresh = { ...renewed(undefined, parts), metadata } as Lease;
      known = await client.create(leases, fresh, deadline());
    }
  }

  /** False when the lease that we know is not the one that is there, or the server does not answer. */
  async function renewKnown(): Promise<boolean> {
    for (let tries = 0; known && tries < quickTries && !signal.aborted; tries++) {
      try {
        await put(known);
        return true;
      } catch (err) {
        if (isConflict(err) || isNotFound(err)) return false;
        log.debug({ err }, 'Node lease not renewed');
      }
    }
    return false;
  }

  async function renew(): Promise<void> {
    if (await renewKnown()) return;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
      try {
        return await ensure();
      } catch (err) {
        if (signal.aborted) return;
        if (!isConflict(err) && !isAlreadyExists(err)) log.warn({ err, lease: nodeName }, 'Node lease not renewed');
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    }
  }

  while (!signal.aborted) {
    await renew();
    await clock.sleep(renewEveryMs(leaseSeconds) * (1 + 0.04 * random()), signal).catch(() => {});
  }
}
