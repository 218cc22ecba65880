// Pods, wished and observed, with everything that a test does not care about filled in.
import type { DesiredPod, ObservedContainer, ObservedPod, ObservedSandbox, PodFacts } from '../../agent/model.ts';
import type { Container, Pod, PodSpec } from '../../kube/types.ts';

export const uid = '0a1b2c3d-0000-4000-8000-000000000001';

export function container(name: string, over: Partial<Container> = {}): Container {
  return { name, image: 'busybox:test', imagePullPolicy: 'IfNotPresent', ...over };
}

export function pod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid, ...metadata },
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      ...spec,
      containers: spec.containers ?? [container('main')],
    },
  };
}

export function desiredPod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): DesiredPod {
  const wish = pod(spec, metadata);
  return { uid: wish.metadata.uid, pod: wish, source: 'api' };
}

export function observedSandbox(over: Partial<ObservedSandbox> = {}): ObservedSandbox {
  return {
    id: 'sandbox-0',
    attempt: 0,
    phase: 'running',
    createdAtMs: 1_000,
    pid: 100,
    hostNetwork: false,
    ips: ['10.244.0.5'],
    ...over,
  };
}

/** Running, with the hash that `specHash` gives for the image of `container()`. */
export function observedContainer(name: string, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    id: `${name}-${over.restartCount ?? 0}`,
    name,
    sandboxId: 'sandbox-0',
    restartCount: 0,
    phase: 'running',
    createdAtMs: 2_000,
    startedAtMs: 2_100,
    finishedAtMs: undefined,
    exitCode: 0,
    oomKilled: false,
    error: '',
    image: 'busybox:test',
    imageId: 'sha256:1111',
    specHash: '',
    pid: 200,
    terminationMessage: '',
    resources: { cpuShares: 2, cpuQuotaMicros: 0, cpuPeriodMicros: 0, memoryBytes: 0 },
    backOffSeconds: 0,
    ...over,
  };
}

export function exited(name: string, exitCode: number, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return observedContainer(name, { phase: 'exited', exitCode, finishedAtMs: 5_000, pid: 0, ...over });
}

export function observedPod(
  containers: readonly ObservedContainer[] = [],
  sandboxes: readonly ObservedSandbox[] = [observedSandbox()],
): ObservedPod {
  return { uid, name: 'web', namespace: 'default', sandboxes, containers };
}

export function podFacts(over: Partial<PodFacts> = {}): PodFacts {
  return {
    nodeName: 'node-1',
    hostIps: ['192.168.77.2'],
    probes: new Map(),
    waiting: new Map(),
    termination: undefined,
    rejection: undefined,
    terminated: false,
    ...over,
  };
}
