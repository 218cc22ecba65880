// The objects that pods refer to: ConfigMaps, Secrets, services for their environment, and tokens for their service accounts.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { ApiError } from '../../kube/errors.ts';
import { createInformer } from '../../kube/informer.ts';
import { services as servicesResource } from '../../kube/resources.ts';
import type { ConfigMap, Secret, Service } from '../../kube/types.ts';
import type { PodObjects } from '../model.ts';
import { createObjectWatches } from './object-watches.ts';
import { referencesOf } from './rules/references.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';

export interface PodObjectsRoom extends PodObjects {
  /** Keeps the services up to date until `signal` ends, then stops every watch. Resolves then; never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the services are known, or `signal` has ended: containers get their addresses into the environment. */
  servicesKnown(signal: AbortSignal): Promise<void>;
}

export function createPodObjects(parts: {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}): PodObjectsRoom {
  const { client, clock, log } = parts;
  type Listener = Parameters<PodObjects['onChange']>[0];
  const listeners = new Set<Listener>();
  const watches = createObjectWatches({
    client,
    clock,
    log,
    onChange: ({ kind, namespace, name }) => {
      for (const listener of listeners) listener(kind, namespace, name);
    },
  });
  const tokens = createServiceAccountTokens(client, clock, log);
  const services = createInformer(client, servicesResource, {
    onError: (err) => log.warn({ err }, 'Service watch failed'),
    trim: (object) => {
      delete (object as Service).metadata.managedFields;
      delete (object as Service).metadata.annotations;
    },
  });

  return {
    async run(signal) {
      await services.run(signal);
      watches.close();
    },
    servicesKnown: (signal) => {
      const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      return signal.aborted ? Promise.resolve() : Promise.race([services.synced, ended]);
    },
    configMap: async (namespace, name, signal) =>
      (await watches.read({ kind: 'ConfigMap', namespace, name }, signal)) as ConfigMap | undefined,
    secret: async (namespace, name, signal) =>
      (await watches.read({ kind: 'Secret', namespace, name }, signal)) as Secret | undefined,
    services: (namespace) => {
      if (!services.hasSynced()) {
        const message = 'services have not yet been read at least once, cannot construct envvars';
        throw new ApiError(message, { reason: 'Timeout' });
      }
      return services
        .list()
        .filter(
          ({ metadata }) =>
            metadata.namespace === namespace || (metadata.namespace === 'default' && metadata.name === 'kubernetes'),
        );
    },
    serviceAccountToken: (pod, audience, expirationSeconds, signal) =>
      tokens.token(pod, audience, expirationSeconds, signal),
    retain: (pods) => {
      watches.retain(pods.flatMap(referencesOf));
      tokens.retain(new Set(pods.map(({ metadata }) => metadata.uid)));
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
