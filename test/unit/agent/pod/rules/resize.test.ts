// In-place resize: what is granted, what runs with something else, and what is said of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerResources } from '../../../../../agent/docker/engine.ts';
import type { PodFacts } from '../../../../../agent/model.ts';
import { lacksRoom } from '../../../../../agent/pod/rules/admit.ts';
import { specHash } from '../../../../../agent/pod/rules/containers.ts';
import { type PlanFacts, planPod } from '../../../../../agent/pod/rules/plan.ts';
import {
  allocate,
  askedBy,
  grantedBefore,
  isSameAllocation,
  resizeText,
  withAllocation,
} from '../../../../../agent/pod/rules/resize.ts';
import { derivePodStatus } from '../../../../../agent/status/rules/derive.ts';
import type { Container, PodStatus } from '../../../../../kube/types.ts';
import { container, desiredPod, observedContainer, observedPod, podFacts } from '../../../../builders/pod.ts';

const asking = (cpu: string, over: Partial<Container> = {}) =>
  desiredPod({ containers: [container('main', { resources: { requests: { cpu } }, ...over })] }, { generation: 2 });

const noRoom = () => ({ reason: 'OutOfcpu', message: 'no room' });
const room = () => undefined;

test('amounts that are equal are the same allocation, however they are written', () => {
  const [one, same, other] = [asking('1'), asking('1000m'), asking('1001m')].map(({ pod }) => askedBy(pod));
  assert.ok(one && same && other);
  assert.deepEqual([isSameAllocation(one, same), isSameAllocation(one, other)], [true, false]);
});

test('what fits is granted, what does not is deferred and the old allocation stays', () => {
  const wish = asking('25m');
  const before = askedBy(asking('20m').pod);
  assert.deepEqual(allocate(wish, before, room), { allocation: askedBy(wish.pod), pending: undefined });
  assert.deepEqual(allocate(wish, before, noRoom), {
    allocation: before,
    pending: { reason: 'Deferred', message: 'no room' },
  });
  assert.deepEqual(allocate(wish, askedBy(wish.pod), noRoom).pending, undefined, 'nobody asks where nothing changes');
});

test('a deferred pod goes on with what it was granted, its other resources untouched', () => {
  const wish = desiredPod({
    containers: [container('main', { resources: { requests: { cpu: '25m', 'example.com/gpu': '1' } } })],
  });
  const { pod } = withAllocation(wish, new Map([['main', { requests: { cpu: '20m' }, limits: { memory: '1Gi' } }]]));
  assert.deepEqual(pod.spec.containers[0]?.resources, {
    requests: { cpu: '20m', 'example.com/gpu': '1' },
    limits: { memory: '1Gi' },
  });
});

test('an agent that starts anew reads the allocation out of the status', () => {
  const { pod } = asking('25m');
  const status = {
    containerStatuses: [
      {
        name: 'main',
        allocatedResources: { cpu: '20m' },
        resources: { requests: { cpu: '19m' }, limits: { cpu: '30m' } },
      },
    ],
  } as unknown as PodStatus;
  assert.deepEqual(grantedBefore({ ...pod, status }).get('main'), { requests: { cpu: '20m' }, limits: { cpu: '30m' } });
  assert.deepEqual(grantedBefore(pod), askedBy(pod));
});

test('there is room for what the others leave of the allocatable', () => {
  const other = { ...asking('900m'), uid: 'other' };
  const facts = { active: [other, asking('100m')], allocatable: { cpu: '1' } };
  assert.deepEqual(lacksRoom(asking('100m'), facts), undefined);
  assert.deepEqual(lacksRoom(asking('200m'), facts), {
    reason: 'OutOfcpu',
    message: "Node didn't have enough resource: cpu, requested: 200, used: 900, capacity: 1000",
  });
});

const has: ContainerResources = { cpuShares: 20, cpuQuotaMicros: 3000, cpuPeriodMicros: 100_000, memoryBytes: 40 };
const running = (name: string, resources = has) =>
  observedContainer(name, { specHash: specHash(container(name)), resources });

/** Steps in one line each, for a pod whose containers run with `has`. */
function planned(containers: Container[], wanted: Record<string, ContainerResources>): string[] {
  const facts: PlanFacts = {
    ...podFacts(),
    maxBackOffSeconds: 300,
    areVolumesDue: false,
    wantedResources: new Map(Object.entries(wanted)),
  };
  const observed = observedPod(containers.map(({ name }) => running(name)));
  return planPod(desiredPod({ containers }), observed, facts, 0).map((step) => {
    const of = step.do === 'ResizePod' ? step.containers.map(({ name }) => name).join() : '';
    const count = step.do === 'StartContainer' ? `#${step.restartCount}` : '';
    return `${step.do} ${of}${count}: ${step.because}`;
  });
}

const both = [container('a'), container('b')];

test('nothing is changed where containers have what they should', () => {
  assert.deepEqual(planned(both, { a: has, b: { ...has, cpuPeriodMicros: 0 } }), []);
});

test('memory is taken before it is given', () => {
  const wanted = { a: { ...has, memoryBytes: 50 }, b: { ...has, memoryBytes: 30 } };
  assert.deepEqual(planned(both, wanted), ['ResizePod b,a: its resources have changed']);
});

test('a container restarts for the resources that its policy names, and for no others', () => {
  const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
  const main = [container('main', { resizePolicy })];
  assert.deepEqual(planned(main, { main: { ...has, cpuShares: 30 } }), ['ResizePod main: its resources have changed']);
  assert.deepEqual(planned(main, { main: { ...has, memoryBytes: 50 } }), [
    'EnsureVolumes : a container is about to start',
    'StopContainer : Container main resize requires restart',
    'StartContainer #1: Container main resize requires restart',
  ]);
});

test('an event tells the whole allocation', () => {
  assert.equal(
    resizeText('started', asking('25m').pod),
    'Pod resize started: {"containers":[{"name":"main","resources":{"requests":{"cpu":"25m"}}}],"generation":2}',
  );
});

test('the status says what waits and what is under way', () => {
  const wish = asking('25m');
  const said = (resize: PodFacts['resize']) =>
    derivePodStatus(wish, observedPod([running('main')]), podFacts({ resize }), undefined, 0)
      .conditions?.filter(({ type }) => type.startsWith('PodResize'))
      .map(({ type, status, reason, message }) => ({ type, status, reason, message }));
  assert.deepEqual(said(undefined), []);
  assert.deepEqual(said({ pending: { reason: 'Deferred', message: 'no room' }, inProgress: undefined }), [
    { type: 'PodResizePending', status: 'True', reason: 'Deferred', message: 'no room' },
  ]);
  assert.deepEqual(said({ pending: undefined, inProgress: { error: undefined } }), [
    { type: 'PodResizeInProgress', status: 'True', reason: undefined, message: undefined },
  ]);
  assert.deepEqual(said({ pending: undefined, inProgress: { error: 'too little' } }), [
    { type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: 'too little' },
  ]);
});
