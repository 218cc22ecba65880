// What the node room is made from.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Taint } from '../../kube/types.ts';
import type { Engine } from '../docker/engine.ts';
import type { EventSink } from '../model.ts';
import type { CapacityPlan } from './rules/capacity.ts';
import type { Pressure } from './rules/pressure.ts';

export interface NodeConfig extends CapacityPlan {
  readonly nodeName: string;
  /** --node-ip: one, or one per family; empty: chosen. */
  readonly nodeIps: readonly string[];
  /** --node-labels */
  readonly labels: Readonly<Record<string, string>>;
  /** Given to a node that is new only. */
  readonly taints: readonly Taint[];
  readonly providerId?: string;
  /** False: somebody else creates the Node object. */
  readonly registerNode: boolean;
  readonly rootDir: string;
  readonly serverPort: number;
  /** "v1.36.0" */
  readonly kubeletVersion: string;
  /** Of KEP-5328; only what is built. */
  readonly declaredFeatures: readonly string[];
  readonly maxImages: number;
  readonly leaseSeconds: number;
  readonly statusUpdateMs: number;
  readonly statusReportMs: number;
}

export interface NodeParts {
  readonly config: NodeConfig;
  readonly client: ApiClient;
  readonly engine: Pick<Engine, 'info' | 'listImages'>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** What the node runs short of. */
  readonly pressure: () => Pressure;
  /** Why containers cannot be run now ("container runtime is down"); undefined when they can. */
  readonly runtimeError: () => string | undefined;
  /** Why pods get no network now ("cni config uninitialized"); undefined when they do. */
  readonly networkNotReady: () => string | undefined;
  /** 0 to 1; `Math.random` where it is not given. */
  readonly random?: () => number;
}
