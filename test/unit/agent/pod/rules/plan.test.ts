// A pod's life as tables: what is there, what is wished, what comes next and why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredPod, ObservedPod, PodAction } from '../../../../../agent/model.ts';
import { specHash } from '../../../../../agent/pod/rules/containers.ts';
import { type PlanFacts, planPod } from '../../../../../agent/pod/rules/plan.ts';
import {
  container,
  desiredPod,
  exited,
  observedContainer,
  observedPod,
  observedSandbox,
  podFacts,
} from '../../../../builders/pod.ts';

const nowMs = 100_000;
const facts = (over: Partial<PlanFacts> = {}): PlanFacts => ({
  ...podFacts(),
  maxBackOffSeconds: 300,
  areVolumesDue: false,
  wantedResources: new Map(),
  ...over,
});

/** A step in one line: what, of which, why. */
function line(step: PodAction): string {
  const of =
    'wish' in step
      ? step.wish.container.name
      : 'container' in step
        ? step.container.id
        : 'sandbox' in step
          ? step.sandbox.id
          : '';
  const count = step.do === 'StartContainer' ? ` #${step.restartCount} then ${step.backOffSeconds}s` : '';
  const until = step.do === 'BackOff' ? ` ${step.delaySeconds}s until ${step.untilMs}` : '';
  const grace = step.do === 'StopContainer' ? ` in ${step.graceSeconds}s after [${step.after}]` : '';
  const attempt = step.do === 'StartSandbox' ? ` ${step.attempt}` : '';
  return `${step.do}${attempt}${of && ` ${of}`}${count}${until}${grace}: ${step.because}`;
}

const sidecar = container('proxy', { restartPolicy: 'Always' });
const init = container('init');
const main = container('main');
const deleted = { graceSeconds: 7, because: 'it is being deleted' };

const cases: readonly {
  name: string;
  desired?: DesiredPod | undefined;
  observed: ObservedPod;
  facts?: Partial<PlanFacts>;
  plan: readonly string[];
}[] = [
  {
    name: 'nothing is there: a sandbox first',
    observed: observedPod([], []),
    plan: ['StartSandbox 0: it has no sandbox'],
  },
  {
    name: 'a sandbox that was created by an agent that was killed is made anew',
    observed: observedPod([], [observedSandbox({ phase: 'created' })]),
    plan: ['RemoveSandbox sandbox-0: its sandbox never started', 'StartSandbox 0: its sandbox never started'],
  },
  {
    name: 'a sandbox without address only lacks its network',
    observed: observedPod([], [observedSandbox({ ips: [] })]),
    plan: ['AttachNetwork sandbox-0: its sandbox has no address'],
  },
  {
    name: 'a sandbox in the host network needs no address',
    observed: observedPod([], [observedSandbox({ ips: [], hostNetwork: true })]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer main #0 then 0s: it has never run'],
  },
  {
    name: 'init containers come one by one',
    desired: desiredPod({ initContainers: [init, container('next')] }),
    observed: observedPod(),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer init #0 then 0s: it has never run'],
  },
  {
    name: 'an init container that ended well lets the next begin',
    desired: desiredPod({ initContainers: [init, container('next')] }),
    observed: observedPod([exited('init', 0)]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer next #0 then 0s: it has never run'],
  },
  {
    name: 'init containers run again in a new sandbox',
    desired: desiredPod({ initContainers: [init] }),
    observed: observedPod(
      [exited('init', 0)],
      [observedSandbox({ id: 'sandbox-1', attempt: 1 }), observedSandbox({ phase: 'exited' })],
    ),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer init #1 then 0s: its sandbox is new'],
  },
  {
    name: 'a sidecar that has begun lets the app containers start beside it',
    desired: desiredPod({ initContainers: [sidecar] }),
    observed: observedPod([observedContainer('proxy')]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer main #0 then 0s: it has never run'],
  },
  {
    name: 'a sidecar whose startup probe has not succeeded holds the others',
    desired: desiredPod({ initContainers: [{ ...sidecar, startupProbe: { exec: { command: ['true'] } } }] }),
    observed: observedPod([observedContainer('proxy')]),
    plan: [],
  },
  {
    name: 'everything runs: nothing to do',
    observed: observedPod([observedContainer('main')]),
    plan: [],
  },
  {
    name: 'an agent that has just started looks after the volumes and touches nothing else',
    observed: observedPod([observedContainer('main')]),
    facts: { areVolumesDue: true },
    plan: ['EnsureVolumes: they may not be up to date'],
  },
  {
    name: 'the first restart comes at once',
    observed: observedPod([exited('main', 1)]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer main #1 then 10s: it exited with 1'],
  },
  {
    name: 'the second waits ten seconds',
    observed: observedPod([
      exited('main', 1, { restartCount: 1, createdAtMs: 94_000, finishedAtMs: 95_000, backOffSeconds: 10 }),
    ]),
    plan: ['BackOff main 10s until 105000: it exited with 1'],
  },
  {
    name: 'after the wait the next wait is doubled',
    observed: observedPod([
      exited('main', 1, { restartCount: 1, createdAtMs: 80_000, finishedAtMs: 90_000, backOffSeconds: 10 }),
    ]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer main #2 then 20s: it exited with 1'],
  },
  {
    name: 'what was created but never started is made again under the same number',
    observed: observedPod([observedContainer('main', { phase: 'created', restartCount: 2, backOffSeconds: 40 })]),
    plan: [
      'EnsureVolumes: a container is about to start',
      'RemoveContainer main-2: it was created but never started',
      'StartContainer main #2 then 40s: it was created but never started',
    ],
  },
  {
    name: 'a container that failed its liveness probe is stopped within the probe’s grace',
    desired: desiredPod({
      containers: [{ ...main, livenessProbe: { exec: { command: ['true'] }, terminationGracePeriodSeconds: 3 } }],
    }),
    observed: observedPod([observedContainer('main')]),
    facts: { probes: new Map([['main-0', { started: true, ready: true, alive: false }]]) },
    plan: ['StopContainer main-0 in 3s after []: Container main failed liveness probe, will be restarted'],
  },
  {
    name: 'another image is another container',
    observed: observedPod([observedContainer('main', { specHash: specHash({ name: 'main', image: 'old:1' }) })]),
    plan: ['StopContainer main-0 in 30s after []: Container main definition changed, will be restarted'],
  },
  {
    name: 'an ephemeral container starts once',
    desired: desiredPod({ ephemeralContainers: [{ name: 'debug', image: 'busybox:test' }] }),
    observed: observedPod([observedContainer('main')]),
    plan: ['EnsureVolumes: a container is about to start', 'StartContainer debug #0 then 0s: it was asked for'],
  },
  {
    name: 'and never again',
    desired: desiredPod({ ephemeralContainers: [{ name: 'debug', image: 'busybox:test' }] }),
    observed: observedPod([exited('debug', 1), observedContainer('main')]),
    plan: [],
  },
  {
    name: 'of the dead only the newest of each name is kept',
    observed: observedPod([
      observedContainer('main', { restartCount: 2 }),
      exited('main', 1, { restartCount: 1 }),
      exited('main', 1, { restartCount: 0 }),
    ]),
    plan: ['RemoveContainer main-0: newer ones are kept'],
  },
  {
    name: 'a sandbox that died takes its pod along and comes back with the next number',
    observed: observedPod([observedContainer('main')], [observedSandbox({ phase: 'exited' })]),
    plan: [
      'StopContainer main-0 in 30s after []: its sandbox has stopped',
      'StopSandbox sandbox-0: its sandbox has stopped',
      'StartSandbox 1: its sandbox has stopped',
    ],
  },
  {
    name: 'sidecars stop after the containers that they serve, in reverse order',
    desired: desiredPod({ initContainers: [sidecar, { ...sidecar, name: 'second' }] }),
    observed: observedPod(['main', 'proxy', 'second'].map((name) => observedContainer(name))),
    facts: { termination: deleted },
    plan: [
      'StopContainer main-0 in 7s after []: it is being deleted',
      'StopContainer proxy-0 in 7s after [main-0,second-0]: it is being deleted',
      'StopContainer second-0 in 7s after [main-0]: it is being deleted',
      'StopSandbox sandbox-0: it is being deleted',
    ],
  },
  {
    name: 'what has stopped gives back what it held',
    observed: observedPod([exited('main', 0)], [observedSandbox({ phase: 'exited' })]),
    facts: { termination: deleted },
    plan: ['ReleasePod: it is being deleted'],
  },
  {
    name: 'and then stays as it is',
    observed: observedPod([exited('main', 0)], [observedSandbox({ phase: 'exited' })]),
    facts: { termination: deleted, terminated: true },
    plan: [],
  },
  {
    name: 'a pod that nobody wants is stopped quickly',
    desired: undefined,
    observed: observedPod([observedContainer('main')]),
    plan: [
      'StopContainer main-0 in 1s after []: nobody wants it any more',
      'StopSandbox sandbox-0: nobody wants it any more',
    ],
  },
  {
    name: 'and leaves no trace',
    desired: undefined,
    observed: observedPod([exited('main', 0)], [observedSandbox({ phase: 'exited' })]),
    plan: [
      'RemoveContainer main-0: nobody wants it any more',
      'RemoveSandbox sandbox-0: nobody wants it any more',
      'ForgetPod: nobody wants it any more',
    ],
  },
];

for (const one of cases) {
  test(one.name, () => {
    const desired = 'desired' in one ? one.desired : desiredPod();
    assert.deepEqual(planPod(desired, one.observed, facts(one.facts), nowMs).map(line), one.plan);
  });
}
