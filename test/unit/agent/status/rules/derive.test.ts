// What a pod's status says: whole statuses for whole situations.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObservedPod, PodFacts, ProbeVerdict } from '../../../../../agent/model.ts';
import { derivePodStatus } from '../../../../../agent/status/rules/derive.ts';
import type { ContainerState, ContainerStatus, PodSpec, PodStatus } from '../../../../../kube/types.ts';
import {
  container,
  desiredPod,
  exited,
  observedContainer,
  observedPod,
  observedSandbox,
  podFacts,
} from '../../../../builders/pod.ts';

const nowMs = 60_000;
const now = '1970-01-01T00:01:00Z';
const running: ContainerState = { running: { startedAt: '1970-01-01T00:00:02Z' } };

function ended(exitCode: number, id: string, over: object = {}): ContainerState {
  return {
    terminated: {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      startedAt: '1970-01-01T00:00:02Z',
      finishedAt: '1970-01-01T00:00:05Z',
      containerID: `docker://${id}`,
      ...over,
    },
  };
}

/** The status of a container that has a record. */
function seen(name: string, state: ContainerState, over: Partial<ContainerStatus> = {}): ContainerStatus {
  const isRunning = state.running !== undefined;
  return {
    name,
    image: 'busybox:test',
    imageID: 'docker://sha256:1111',
    containerID: `docker://${name}-${over.restartCount ?? 0}`,
    state,
    lastState: {},
    ready: isRunning,
    started: isRunning,
    restartCount: 0,
    resources: {},
    ...over,
  };
}

function unseen(name: string, reason: string, over: Partial<ContainerStatus> = {}): ContainerStatus {
  return {
    name,
    image: 'busybox:test',
    imageID: '',
    state: { waiting: { reason } },
    lastState: {},
    ready: false,
    started: false,
    restartCount: 0,
    ...over,
  };
}

type Brief = readonly [type: string, status: string, reason?: string, message?: string];

const conditionsOf = (brief: readonly Brief[]): PodStatus['conditions'] =>
  brief.map(([type, status, reason, message]) => ({
    type,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    lastTransitionTime: now,
  }));

const unready = (names: string): readonly [string, string, string] => [
  'False',
  'ContainersNotReady',
  `containers with unready status: [${names}]`,
];

const allReady: readonly Brief[] = [
  ['PodReadyToStartContainers', 'True'],
  ['Initialized', 'True'],
  ['Ready', 'True'],
  ['ContainersReady', 'True'],
  ['PodScheduled', 'True'],
];

function notReady(names: string, sandbox = 'True'): readonly Brief[] {
  return [
    ['PodReadyToStartContainers', sandbox],
    ['Initialized', 'True'],
    ['Ready', ...unready(names)],
    ['ContainersReady', ...unready(names)],
    ['PodScheduled', 'True'],
  ];
}

const over = (reason: 'PodCompleted' | 'PodFailed', sandbox = 'False'): readonly Brief[] => [
  ['PodReadyToStartContainers', sandbox],
  reason === 'PodCompleted' ? ['Initialized', 'True', 'PodCompleted'] : ['Initialized', 'True'],
  ['Ready', 'False', reason],
  ['ContainersReady', 'False', reason],
  ['PodScheduled', 'True'],
];

const withIp = { podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }] };

interface Case {
  readonly name: string;
  readonly spec?: Partial<PodSpec>;
  readonly deleting?: true;
  readonly observed?: ObservedPod;
  readonly facts?: Partial<PodFacts>;
  readonly previous?: PodStatus;
  readonly want: Omit<PodStatus, 'conditions'>;
  readonly conditions: readonly Brief[];
}

const stopped = observedSandbox({ phase: 'exited', pid: 0, ips: [] });
const sidecar = container('proxy', { restartPolicy: 'Always' });

const cases: readonly Case[] = [
  {
    name: 'nothing is there yet',
    want: { phase: 'Pending', containerStatuses: [unseen('main', 'ContainerCreating')] },
    conditions: notReady('main', 'False'),
  },
  {
    name: 'its only container runs',
    observed: observedPod([observedContainer('main')]),
    want: { phase: 'Running', ...withIp, containerStatuses: [seen('main', running)] },
    conditions: allReady,
  },
  {
    name: 'an image cannot be pulled',
    observed: observedPod(),
    facts: { waiting: new Map([['main', { reason: 'ErrImagePull', message: 'no such image' }]]) },
    want: {
      phase: 'Pending',
      ...withIp,
      containerStatuses: [
        unseen('main', '', { state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } }),
      ],
    },
    conditions: notReady('main'),
  },
  {
    name: 'a container has crashed and was not seen by a sync yet',
    observed: observedPod([exited('main', 1, { terminationMessage: 'no luck' })]),
    want: {
      phase: 'Running',
      ...withIp,
      containerStatuses: [seen('main', ended(1, 'main-0', { message: 'no luck' }))],
    },
    conditions: notReady('main'),
  },
  {
    name: 'a container is in back-off after its second crash',
    observed: observedPod([exited('main', 1, { restartCount: 1 }), exited('main', 1)]),
    facts: { waiting: new Map([['main', { reason: 'CrashLoopBackOff', message: 'back-off 10s' }]]) },
    want: {
      phase: 'Running',
      ...withIp,
      containerStatuses: [
        seen(
          'main',
          { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } },
          { restartCount: 1, lastState: ended(1, 'main-1') },
        ),
      ],
    },
    conditions: notReady('main'),
  },
  {
    name: 'a container runs again after it was killed for its memory',
    observed: observedPod([observedContainer('main', { restartCount: 1 }), exited('main', 137, { oomKilled: true })]),
    want: {
      phase: 'Running',
      ...withIp,
      containerStatuses: [
        seen('main', running, { restartCount: 1, lastState: ended(137, 'main-0', { reason: 'OOMKilled' }) }),
      ],
    },
    conditions: allReady,
  },
  {
    name: 'a container that must not restart could not be started',
    spec: { restartPolicy: 'Never' },
    observed: observedPod([
      observedContainer('main', { phase: 'created', exitCode: 127, startedAtMs: undefined, error: 'no such file' }),
    ]),
    want: {
      phase: 'Failed',
      ...withIp,
      containerStatuses: [
        seen(
          'main',
          ended(127, 'main-0', {
            reason: 'ContainerCannotRun',
            message: 'no such file',
            finishedAt: '1970-01-01T00:00:02Z',
          }),
        ),
      ],
    },
    conditions: over('PodFailed', 'True'),
  },
  {
    name: 'an init container runs first',
    spec: { initContainers: [container('setup'), container('more')] },
    observed: observedPod([observedContainer('setup')]),
    want: {
      phase: 'Pending',
      ...withIp,
      initContainerStatuses: [seen('setup', running, { ready: false }), unseen('more', 'PodInitializing')],
      containerStatuses: [unseen('main', 'PodInitializing')],
    },
    conditions: [
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'False', 'ContainersNotInitialized', 'containers with incomplete status: [setup more]'],
      ['Ready', ...unready('main')],
      ['ContainersReady', ...unready('main')],
      ['PodScheduled', 'True'],
    ],
  },
  {
    name: 'an init container has failed for good',
    spec: { restartPolicy: 'Never', initContainers: [container('setup')] },
    observed: observedPod([exited('setup', 3)]),
    want: {
      phase: 'Failed',
      ...withIp,
      initContainerStatuses: [seen('setup', ended(3, 'setup-0'))],
      containerStatuses: [unseen('main', 'PodInitializing')],
    },
    conditions: [
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'False', 'ContainersNotInitialized', 'containers with incomplete status: [setup]'],
      ['Ready', 'False', 'PodFailed'],
      ['ContainersReady', 'False', 'PodFailed'],
      ['PodScheduled', 'True'],
    ],
  },
  {
    name: 'a sidecar restarts below a container that goes on',
    spec: { initContainers: [sidecar] },
    observed: observedPod([observedContainer('main'), exited('proxy', 1)]),
    want: {
      phase: 'Running',
      ...withIp,
      initContainerStatuses: [seen('proxy', ended(1, 'proxy-0'))],
      containerStatuses: [seen('main', running)],
    },
    conditions: notReady('proxy'),
  },
  {
    name: 'a Job is done while its sidecar still runs',
    spec: { restartPolicy: 'Never', initContainers: [sidecar] },
    observed: observedPod([exited('main', 0), observedContainer('proxy')]),
    want: {
      phase: 'Running',
      ...withIp,
      initContainerStatuses: [seen('proxy', running)],
      containerStatuses: [seen('main', ended(0, 'main-0'))],
    },
    conditions: notReady('main'),
  },
  {
    name: 'a Job is done and so is its sidecar, which was killed',
    spec: { restartPolicy: 'Never', initContainers: [sidecar] },
    observed: observedPod([exited('main', 0), exited('proxy', 137)], [stopped]),
    facts: { terminated: true },
    previous: { phase: 'Running', ...withIp },
    want: {
      phase: 'Succeeded',
      ...withIp,
      initContainerStatuses: [seen('proxy', ended(137, 'proxy-0'))],
      containerStatuses: [seen('main', ended(0, 'main-0'))],
    },
    conditions: over('PodCompleted'),
  },
  {
    name: 'it was deleted and its container ended by SIGTERM',
    deleting: true,
    observed: observedPod([exited('main', 143)], [stopped]),
    facts: { terminated: true },
    previous: { phase: 'Running', ...withIp },
    want: { phase: 'Failed', ...withIp, containerStatuses: [seen('main', ended(143, 'main-0'))] },
    conditions: over('PodFailed'),
  },
  {
    name: 'it was deleted before anything could start',
    deleting: true,
    facts: { terminated: true },
    want: {
      phase: 'Failed',
      containerStatuses: [
        unseen('main', '', {
          state: {
            terminated: {
              exitCode: 137,
              reason: 'ContainerStatusUnknown',
              message: 'The container could not be located when the pod was terminated',
            },
          },
        }),
      ],
    },
    conditions: over('PodFailed'),
  },
  {
    name: 'somebody removed its running container',
    observed: observedPod(),
    previous: { phase: 'Running', containerStatuses: [seen('main', running)] },
    want: {
      phase: 'Running',
      ...withIp,
      containerStatuses: [
        unseen('main', 'ContainerCreating', {
          restartCount: 1,
          lastState: {
            terminated: {
              exitCode: 137,
              reason: 'ContainerStatusUnknown',
              message: 'The container could not be located when the pod was deleted.  The container used to be Running',
            },
          },
        }),
      ],
    },
    conditions: notReady('main'),
  },
  {
    name: 'it was evicted and its container still runs',
    observed: observedPod([observedContainer('main')]),
    facts: {
      termination: {
        graceSeconds: 1,
        because: 'low on memory',
        status: {
          reason: 'Evicted',
          message: 'The node was low on memory. ',
          disruption: 'The node was low on memory. ',
        },
      },
    },
    want: {
      phase: 'Failed',
      reason: 'Evicted',
      message: 'The node was low on memory. ',
      ...withIp,
      containerStatuses: [seen('main', running)],
    },
    conditions: [
      ['DisruptionTarget', 'True', 'TerminationByKubelet', 'The node was low on memory. '],
      ...over('PodFailed', 'True'),
    ],
  },
  {
    name: 'it has been active for too long',
    spec: { activeDeadlineSeconds: 30 },
    observed: observedPod([observedContainer('main')]),
    previous: { phase: 'Running', startTime: '1970-01-01T00:00:30Z' },
    want: {
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      ...withIp,
      startTime: '1970-01-01T00:00:30Z',
      containerStatuses: [seen('main', running)],
    },
    conditions: over('PodFailed', 'True'),
  },
  {
    name: 'it uses the network of the node',
    spec: { hostNetwork: true },
    observed: observedPod([observedContainer('main')], [observedSandbox({ hostNetwork: true, ips: [] })]),
    want: {
      phase: 'Running',
      podIP: '192.168.77.2',
      podIPs: [{ ip: '192.168.77.2' }],
      containerStatuses: [seen('main', running)],
    },
    conditions: allReady,
  },
  {
    name: 'a debugger was attached to it',
    spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox:test' }] },
    observed: observedPod([observedContainer('main'), exited('debug', 0)]),
    want: {
      phase: 'Running',
      ...withIp,
      containerStatuses: [seen('main', running)],
      ephemeralContainerStatuses: [
        {
          name: 'debug',
          image: 'busybox:test',
          imageID: 'docker://sha256:1111',
          containerID: 'docker://debug-0',
          state: ended(0, 'debug-0'),
          lastState: {},
          ready: false,
          restartCount: 0,
        },
      ],
    },
    conditions: allReady,
  },
];

describe('the status of a pod of which', () => {
  for (const { name, spec, deleting, observed, facts, previous, want, conditions } of cases) {
    test(name, () => {
      const desired = desiredPod(spec, deleting ? { deletionTimestamp: now, deletionGracePeriodSeconds: 30 } : {});
      const given = derivePodStatus(desired, observed, podFacts(facts), previous, nowMs);
      assert.deepEqual(given, {
        startTime: now,
        qosClass: 'BestEffort',
        hostIP: '192.168.77.2',
        hostIPs: [{ ip: '192.168.77.2' }],
        ...want,
        conditions: conditionsOf(conditions),
      });
    });
  }
});

test('a pod that the node refuses has failed, and says nothing else', () => {
  const facts = podFacts({ rejection: { reason: 'OutOfcpu', message: "Node didn't have enough resource: cpu" } });
  assert.deepEqual(derivePodStatus(desiredPod(), undefined, facts, undefined, nowMs), {
    phase: 'Failed',
    reason: 'OutOfcpu',
    message: "Pod was rejected: Node didn't have enough resource: cpu",
    startTime: now,
    qosClass: 'BestEffort',
  });
});

describe('readiness', () => {
  const probe = { httpGet: { port: 80 } };
  const table: readonly [string, ProbeVerdict | undefined, ContainerStatus | undefined, [boolean, boolean]][] = [
    ['no verdict yet', undefined, undefined, [false, false]],
    ['started', { started: true, ready: undefined, alive: undefined }, undefined, [true, false]],
    ['started and ready', { started: true, ready: true, alive: undefined }, undefined, [true, true]],
    ['no longer ready', { started: true, ready: false, alive: undefined }, seen('main', running), [true, false]],
    ['no verdict since the agent restarted', undefined, seen('main', running), [true, true]],
    ['no verdict since the container restarted', undefined, seen('main', running, { restartCount: 7 }), [false, false]],
  ];
  for (const [name, verdict, before, want] of table) {
    test(`of a container with startup and readiness probes: ${name}`, () => {
      const desired = desiredPod({ containers: [container('main', { startupProbe: probe, readinessProbe: probe })] });
      const facts = podFacts({ probes: new Map(verdict ? [['main-0', verdict]] : []) });
      const previous = before ? { containerStatuses: [before] } : undefined;
      const status = derivePodStatus(desired, observedPod([observedContainer('main')]), facts, previous, nowMs);
      const [main] = status.containerStatuses ?? [];
      assert.deepEqual([main?.started, main?.ready], want);
    });
  }
});

test('a readiness gate keeps a pod from being ready until its condition is True', () => {
  const desired = desiredPod({
    readinessGates: [{ conditionType: 'example.com/a' }, { conditionType: 'example.com/b' }],
  });
  const pod = { ...desired.pod, status: { conditions: [{ type: 'example.com/a', status: 'False' }] } };
  const status = derivePodStatus(
    { ...desired, pod },
    observedPod([observedContainer('main')]),
    podFacts(),
    undefined,
    nowMs,
  );
  assert.deepEqual(
    status.conditions?.find(({ type }) => type === 'Ready'),
    {
      type: 'Ready',
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message:
        'the status of pod readiness gate "example.com/a" is not "True", but False, corresponding condition of pod readiness gate "example.com/b" does not exist.',
      lastTransitionTime: now,
    },
  );
  assert.deepEqual(status.conditions?.[0], { type: 'example.com/a', status: 'False' });
});

test('a condition keeps its transition time while its status stays, and carries the generation that was looked at', () => {
  const desired = desiredPod({}, { generation: 4 });
  const observed = observedPod([observedContainer('main')]);
  const first = derivePodStatus(desired, observed, podFacts(), undefined, nowMs);
  const later = derivePodStatus(desiredPod({}, { generation: 5 }), observed, podFacts(), first, nowMs + 60_000);
  assert.equal(later.observedGeneration, 5);
  assert.deepEqual(
    later.conditions?.map(({ lastTransitionTime, observedGeneration }) => [lastTransitionTime, observedGeneration]),
    Array.from({ length: 5 }, () => [now, 5]),
  );
});

test('a phase that was terminal once stays, with its reason', () => {
  const previous: PodStatus = { phase: 'Failed', reason: 'Evicted', message: 'low on memory' };
  const status = derivePodStatus(desiredPod(), observedPod([exited('main', 0)]), podFacts(), previous, nowMs);
  assert.deepEqual([status.phase, status.reason, status.message], ['Failed', 'Evicted', 'low on memory']);
});

test('termination messages share 12288 bytes, cut between characters', () => {
  const observed = observedPod([
    exited('a', 1, { terminationMessage: 'ä'.repeat(4000) }),
    exited('b', 1, { terminationMessage: 'x'.repeat(7000) }),
  ]);
  const desired = desiredPod({ containers: [container('a'), container('b')] });
  const status = derivePodStatus(desired, observed, podFacts(), undefined, nowMs);
  const lengths = status.containerStatuses?.map(({ state }) => Buffer.byteLength(state?.terminated?.message ?? ''));
  assert.deepEqual(lengths, [6144, 6144]);
});
