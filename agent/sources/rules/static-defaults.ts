// What an API server fills into a pod that says nothing, for pods that never meet one before they run.
import type { Container, PodSpec, Probe, Volume } from '../../../kube/types.ts';

const fileMode = 0o644;

export function withDefaults(spec: PodSpec): PodSpec {
  const container = (one: Container): Container => withContainerDefaults(one, spec.hostNetwork === true);
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    ...spec,
    containers: spec.containers.map(container),
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(container) } : {}),
    ...(spec.volumes ? { volumes: spec.volumes.map(withVolumeDefaults) } : {}),
  };
}

function withContainerDefaults(container: Container, isOnHost: boolean): Container {
  const { image = '', ports, env, resources = {}, livenessProbe, readinessProbe, startupProbe } = container;
  const requests = { ...resources.limits, ...resources.requests };
  return {
    imagePullPolicy: pullPolicyOf(image),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    ...container,
    resources: { ...resources, ...(Object.keys(requests).length > 0 ? { requests } : {}) },
    ...(ports
      ? {
          ports: ports.map((port) => ({
            protocol: 'TCP',
            ...port,
            // A pod of the host network has its ports on the host.
            ...(isOnHost ? { hostPort: port.hostPort || port.containerPort } : {}),
          })),
        }
      : {}),
    ...(env ? { env: env.map(withEnvDefaults) } : {}),
    ...(livenessProbe ? { livenessProbe: withProbeDefaults(livenessProbe) } : {}),
    ...(readinessProbe ? { readinessProbe: withProbeDefaults(readinessProbe) } : {}),
    ...(startupProbe ? { startupProbe: withProbeDefaults(startupProbe) } : {}),
    ...lifecycleOf(container),
  };
}

/** "latest", or neither tag nor digest, is pulled every time. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent';
  const [, tag = 'latest'] = image.slice(image.lastIndexOf('/') + 1).split(':');
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

type EnvVar = NonNullable<Container['env']>[number];

function withEnvDefaults(variable: EnvVar): EnvVar {
  const { fieldRef } = variable.valueFrom ?? {};
  if (!fieldRef) return variable;
  return { ...variable, valueFrom: { ...variable.valueFrom, fieldRef: { apiVersion: 'v1', ...fieldRef } } };
}

/** Zero means "not said" for these. */
function withProbeDefaults(probe: Probe): Probe {
  return {
    ...withHttpDefaults(probe),
    timeoutSeconds: probe.timeoutSeconds || 1,
    periodSeconds: probe.periodSeconds || 10,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
  };
}

function withHttpDefaults<T extends { httpGet?: Probe['httpGet'] }>(handler: T): T {
  return handler.httpGet ? { ...handler, httpGet: { path: '/', scheme: 'HTTP', ...handler.httpGet } } : handler;
}

function lifecycleOf({ lifecycle }: Container): Pick<Container, 'lifecycle'> {
  if (!lifecycle) return {};
  const { postStart, preStop } = lifecycle;
  return {
    lifecycle: {
      ...lifecycle,
      ...(postStart ? { postStart: withHttpDefaults(postStart) } : {}),
      ...(preStop ? { preStop: withHttpDefaults(preStop) } : {}),
    },
  };
}

function withVolumeDefaults(volume: Volume): Volume {
  const { hostPath, downwardAPI, projected } = volume;
  if (hostPath) return { ...volume, hostPath: { type: '', ...hostPath } };
  if (downwardAPI) return { ...volume, downwardAPI: { defaultMode: fileMode, ...downwardAPI } };
  if (projected) return { ...volume, projected: { defaultMode: fileMode, ...projected } };
  return Object.keys(volume).length === 1 ? { ...volume, emptyDir: {} } : volume;
}
