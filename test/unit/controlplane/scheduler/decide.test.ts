// Which node a pod gets, and in what words it is told that there is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Candidate, Claims } from '../../../../controlplane/scheduler/model.ts';
import { sumUp } from '../../../../controlplane/scheduler/node-table.ts';
import { decide } from '../../../../controlplane/scheduler/rules/decide.ts';
import { podHostPorts, podRequests, presumedPodRequests } from '../../../../controlplane/scheduler/rules/requests.ts';
import { formatQuantity } from '../../../../kube/quantity.ts';
import type { Container, Node, Pod, PodSpec } from '../../../../kube/types.ts';
import { aNode, aPod } from '../../../builders/control-plane.ts';

const free: Claims = { blocked: undefined, affinities: [] };

function candidate(pod: Pod, claims: Claims = free): Candidate {
  return {
    pod,
    requests: podRequests(pod),
    presumed: presumedPodRequests(pod),
    hostPorts: podHostPorts(pod),
    priority: pod.spec.priority ?? 0,
    claims,
    namespaces: (name) => ({ team: name === 'default' ? 'a' : 'b' }),
  };
}

const asks = (requests: Record<string, string>, over: Partial<Container> = {}): Container => ({
  name: 'c',
  image: 'i',
  resources: { requests },
  ...over,
});
const asking = (requests: Record<string, string>, spec: Partial<PodSpec> = {}): Pod =>
  aPod('p', { spec: { containers: [asks(requests)], ...spec } });

const place = (pod: Pod, nodes: readonly Node[], running: readonly Pod[] = [], claims = free) =>
  decide(
    candidate(pod, claims),
    nodes.map((node) =>
      sumUp(
        node,
        running.filter(({ spec }) => spec.nodeName === node.metadata.name),
      ),
    ),
    0,
  );

const amountsOf = (pod: Pod) =>
  Object.fromEntries(
    [...podRequests(pod)].map(([name, nano]) => [name, formatQuantity({ nano, format: 'DecimalSI' })]),
  );

test('a pod asks for its containers together', () => {
  const pod = aPod('p', { spec: { containers: [asks({ cpu: '250m', memory: '1M' }), asks({ cpu: '1' })] } });
  assert.deepEqual(amountsOf(pod), { cpu: '1250m', memory: '1M' });
});

test('or for its greatest init container, beside the sidecars that start before it; and for its overhead', () => {
  const pod = aPod('p', {
    spec: {
      initContainers: [
        asks({ cpu: '2' }),
        asks({ cpu: '500m', memory: '5M' }, { restartPolicy: 'Always' }),
        asks({ cpu: '3' }),
      ],
      containers: [asks({ cpu: '1', memory: '2M' })],
      overhead: { cpu: '100m' },
    },
  });
  assert.deepEqual(amountsOf(pod), { cpu: '3600m', memory: '7M' });
});

const taint = (effect: 'NoSchedule' | 'NoExecute' | 'PreferNoSchedule') => ({
  taints: [{ key: 'gpu', value: 'yes', effect }],
});
const none =
  'no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
const unhelpful =
  'no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
const busy = (requests: Record<string, string>, spec: Partial<PodSpec> = {}): Pod =>
  aPod('busy', { spec: { nodeName: 'a', containers: [asks(requests)], ...spec } });
const port = (hostPort: number): Partial<PodSpec> => ({
  containers: [asks({}, { ports: [{ containerPort: 80, hostPort }] })],
});
const selector = (key: string, operator: string, values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator: operator as 'In', values }] }],
      },
    },
  },
});

const cases: [string, Pod, Node, Pod[], string | 'fits'][] = [
  ['asks for nothing', asking({}), aNode('a'), [], 'fits'],
  ['asks for more CPU than there is', asking({ cpu: '5' }), aNode('a'), [], `1 Insufficient cpu. ${unhelpful}`],
  [
    'asks for more CPU than is left',
    asking({ cpu: '2' }),
    aNode('a'),
    [busy({ cpu: '3' })],
    `1 Insufficient cpu. ${none}`,
  ],
  ['asks for exactly what is left', asking({ cpu: '1' }), aNode('a'), [busy({ cpu: '3' })], 'fits'],
  [
    'asks for what a finished pod had',
    asking({ cpu: '2' }),
    aNode('a'),
    [{ ...busy({ cpu: '3' }), status: { phase: 'Succeeded' } }],
    'fits',
  ],
  [
    'asks for too much of both',
    asking({ cpu: '5', memory: '9Gi' }),
    aNode('a'),
    [],
    `1 Insufficient cpu, 1 Insufficient memory. ${unhelpful}`,
  ],
  ['asks for a device', asking({ 'x.io/gpu': '1' }), aNode('a'), [], `1 Insufficient x.io/gpu. ${unhelpful}`],
  [
    'is one too many',
    asking({}),
    aNode('a', { allocatable: { cpu: '4', memory: '8Gi', pods: '1' } }),
    [busy({})],
    `1 Too many pods. ${none}`,
  ],
  [
    'meets a taint',
    asking({}),
    aNode('a', { spec: taint('NoSchedule') }),
    [],
    `1 node(s) had untolerated taint(s). ${unhelpful}`,
  ],
  [
    'bears the taint',
    asking({}, { tolerations: [{ key: 'gpu', value: 'yes' }] }),
    aNode('a', { spec: taint('NoExecute') }),
    [],
    'fits',
  ],
  ['meets a mild taint', asking({}), aNode('a', { spec: taint('PreferNoSchedule') }), [], 'fits'],
  [
    'meets a cordon',
    asking({}),
    aNode('a', { spec: { unschedulable: true } }),
    [],
    `1 node(s) were unschedulable. ${unhelpful}`,
  ],
  [
    'wants another label',
    asking({}, { nodeSelector: { disk: 'ssd' } }),
    aNode('a'),
    [],
    `1 node(s) didn't match Pod's node affinity/selector. ${unhelpful}`,
  ],
  [
    'wants this label',
    asking({}, { nodeSelector: { disk: 'ssd' } }),
    aNode('a', { metadata: { labels: { disk: 'ssd' } } }),
    [],
    'fits',
  ],
  [
    'wants one of these labels',
    asking({}, selector('disk', 'In', ['ssd', 'nvme'])),
    aNode('a', { metadata: { labels: { disk: 'nvme' } } }),
    [],
    'fits',
  ],
  [
    'wants a greater label',
    asking({}, selector('gen', 'Gt', ['3'])),
    aNode('a', { metadata: { labels: { gen: '3' } } }),
    [],
    `1 node(s) didn't match Pod's node affinity/selector. ${unhelpful}`,
  ],
  [
    'wants a taken port',
    asking({}, port(80)),
    aNode('a'),
    [busy({}, port(80))],
    `1 node(s) didn't have free ports for the requested pod ports. ${none}`,
  ],
  ['wants another port', asking({}, port(81)), aNode('a'), [busy({}, port(80))], 'fits'],
  [
    'may not preempt',
    asking({ cpu: '5' }, { preemptionPolicy: 'Never' }),
    aNode('a'),
    [],
    '1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
  ],
];
for (const [what, pod, node, running, outcome] of cases) {
  test(`a pod that ${what}`, () => {
    const expected =
      outcome === 'fits'
        ? { do: 'Bind', nodeName: 'a' }
        : { do: 'Wait', message: `0/1 nodes are available: ${outcome}` };
    assert.deepEqual(place(pod, [node], running), expected);
  });
}

test('reasons of many nodes are counted and sorted', () => {
  const nodes = [aNode('a'), aNode('b'), aNode('c', { spec: { unschedulable: true } })];
  assert.deepEqual(place(asking({ cpu: '3' }), nodes, [busy({ cpu: '2' })]), { do: 'Bind', nodeName: 'b' });
  assert.deepEqual(place(asking({ cpu: '5' }), nodes), {
    do: 'Wait',
    message:
      '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. no new claims to deallocate, ' +
      'preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
  });
});

test('no nodes at all, and claims that no node can help', () => {
  assert.deepEqual(place(asking({}), []), { do: 'Wait', message: 'no nodes available to schedule pods' });
  const blocked = { blocked: 'persistentvolumeclaim "data" not found', affinities: [] };
  assert.deepEqual(place(asking({}), [aNode('a')], [], blocked), {
    do: 'Wait',
    message: `0/1 nodes are available: persistentvolumeclaim "data" not found. ${unhelpful}`,
  });
});

test('the emptier node is taken, the preferred one before it, and a mildly tainted one last', () => {
  const labelled = aNode('b', { metadata: { labels: { disk: 'ssd' } } });
  assert.deepEqual(place(asking({}), [aNode('a'), labelled], [busy({ cpu: '1', memory: '1Gi' })]), {
    do: 'Bind',
    nodeName: 'b',
  });
  const preference = { matchExpressions: [{ key: 'disk', operator: 'In' as const, values: ['ssd'] }] };
  const preferring = asking(
    {},
    { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference }] } } },
  );
  const full = busy({ cpu: '3', memory: '6Gi' }, { nodeName: 'b' });
  assert.deepEqual(place(preferring, [aNode('a'), labelled], [full]), { do: 'Bind', nodeName: 'b' });
  assert.deepEqual(place(asking({}), [aNode('a', { spec: taint('PreferNoSchedule') }), aNode('b')], [full]), {
    do: 'Bind',
    nodeName: 'b',
  });
});

test('equals take turns', () => {
  const nodes = ['a', 'b', 'c'].map((name) => sumUp(aNode(name), []));
  const chosen = [0, 1, 2, 3].map((turn) => decide(candidate(asking({})), nodes, turn));
  assert.deepEqual(
    chosen.map((one) => one.do === 'Bind' && one.nodeName),
    ['a', 'b', 'c', 'a'],
  );
});

test('whatever the requests: a pod that is bound fits', () => {
  const milli = fc.integer({ min: 0, max: 3000 });
  fc.assert(
    fc.property(fc.array(milli, { maxLength: 12 }), milli, (others, wanted) => {
      const nodes = [aNode('a'), aNode('b')];
      const running = others.map((cpu, at) =>
        aPod(`r${at}`, { spec: { nodeName: at % 2 ? 'a' : 'b', containers: [asks({ cpu: `${cpu}m` })] } }),
      );
      const decision = place(asking({ cpu: `${wanted}m` }), nodes, running);
      const used = (name: string): number =>
        others.filter((_, at) => (at % 2 ? 'a' : 'b') === name).reduce((a, b) => a + b, 0);
      const fitting = ['a', 'b'].filter((name) => wanted === 0 || used(name) + wanted <= 4000);
      if (decision.do === 'Bind') assert.ok(fitting.includes(decision.nodeName));
      else assert.deepEqual(fitting, []);
    }),
  );
});
