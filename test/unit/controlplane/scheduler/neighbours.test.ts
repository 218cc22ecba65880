// Pods that want to be near others, away from others, or evenly spread: which nodes remain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumUp } from '../../../../controlplane/scheduler/node-table.ts';
import { podAffinityCheck } from '../../../../controlplane/scheduler/rules/pod-affinity.ts';
import { spreadCheck } from '../../../../controlplane/scheduler/rules/spread.ts';
import type { Pod, PodSpec } from '../../../../kube/types.ts';
import { aNode, aPod } from '../../../builders/control-plane.ts';

const zone = 'topology.kubernetes.io/zone';
const host = 'kubernetes.io/hostname';
/** Two nodes in zone x, one in zone y, one nowhere. */
const places: Record<string, Record<string, string>> = {
  x1: { [zone]: 'x', [host]: 'x1' },
  x2: { [zone]: 'x', [host]: 'x2' },
  y1: { [zone]: 'y', [host]: 'y1' },
  bare: { [host]: 'bare' },
};

type Labels = Record<string, string>;
const on = (nodeName: string, labels: Labels, spec: Partial<PodSpec> = {}, namespace = 'default'): Pod =>
  aPod(`${nodeName}-${Object.values(labels).join('-')}`, {
    metadata: { labels, namespace },
    spec: { nodeName, ...spec },
  });

const nodesWith = (running: readonly Pod[]) =>
  Object.entries(places).map(([name, labels]) =>
    sumUp(
      aNode(name, { metadata: { labels } }),
      running.filter(({ spec }) => spec.nodeName === name),
    ),
  );

const term = (app: string, topologyKey: string, over: object = {}) => ({
  labelSelector: { matchLabels: { app } },
  topologyKey,
  ...over,
});
const near = (...terms: ReturnType<typeof term>[]): Partial<PodSpec> => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const away = (...terms: ReturnType<typeof term>[]): Partial<PodSpec> => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const web = (spec: Partial<PodSpec> = {}): Pod => aPod('p', { metadata: { labels: { app: 'web' } }, spec });

const namespaces = (name: string): Labels => ({ team: name === 'default' ? 'a' : 'b' });
const noNear = "node(s) didn't match pod affinity rules";
const noAway = "node(s) didn't match pod anti-affinity rules";
const others = "node(s) didn't satisfy existing pods anti-affinity rules";

const affinities: [string, Pod, Pod[], Record<string, string>][] = [
  ['without wishes', web(), [on('x1', { app: 'db' })], {}],
  ['near a database in its zone', web(near(term('db', zone))), [on('x1', { app: 'db' })], { y1: noNear, bare: noNear }],
  [
    'near a database that is nowhere',
    web(near(term('db', zone))),
    [],
    { x1: noNear, x2: noNear, y1: noNear, bare: noNear },
  ],
  ['near its own kind, the first of them', web(near(term('web', zone))), [], { bare: noNear }],
  [
    'near its own kind, the second',
    web(near(term('web', zone))),
    [on('y1', { app: 'web' })],
    { x1: noNear, x2: noNear, bare: noNear },
  ],
  [
    'near two others where only one pod is both',
    web(near(term('db', zone), term('db', host))),
    [on('x1', { app: 'db' })],
    { x2: noNear, y1: noNear, bare: noNear },
  ],
  [
    'near a database of another namespace',
    web(near(term('db', zone))),
    [on('x1', { app: 'db' }, {}, 'other')],
    { x1: noNear, x2: noNear, y1: noNear, bare: noNear },
  ],
  [
    'near a database of a named namespace',
    web(near(term('db', zone, { namespaces: ['other'] }))),
    [on('x1', { app: 'db' }, {}, 'other')],
    { y1: noNear, bare: noNear },
  ],
  [
    'near a database of a chosen team',
    web(near(term('db', zone, { namespaceSelector: { matchLabels: { team: 'b' } } }))),
    [on('x1', { app: 'db' }, {}, 'other')],
    { y1: noNear, bare: noNear },
  ],
  ['away from its own kind on a node', web(away(term('web', host))), [on('x1', { app: 'web' })], { x1: noAway }],
  [
    'away from a database in its zone',
    web(away(term('db', zone))),
    [on('x1', { app: 'db' })],
    { x1: noAway, x2: noAway },
  ],
  ['unwanted by another', web(), [on('x1', { app: 'db' }, away(term('web', zone)))], { x1: others, x2: others }],
];
for (const [what, pod, running, refused] of affinities) {
  test(`a pod ${what}`, () => {
    const nodes = nodesWith(running);
    const check = podAffinityCheck(pod, nodes, namespaces);
    const found = nodes.flatMap((node) => check(node)?.reasons.map((reason) => [node.name, reason]) ?? []);
    assert.deepEqual(Object.fromEntries(found), refused);
  });
}

const spread = (over: object = {}): Partial<PodSpec> => ({
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: zone,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...over,
    },
  ],
});
const uneven = "node(s) didn't match pod topology spread constraints";
const bare = { bare: `${uneven} (missing required label)` };
const spreads: [string, Pod, Pod[], Record<string, string>][] = [
  ['and none is there', web(spread()), [], bare],
  ['and one zone has one', web(spread()), [on('x1', { app: 'web' })], { x1: uneven, x2: uneven, ...bare }],
  ['and both have one', web(spread()), [on('x1', { app: 'web' }), on('y1', { app: 'web' })], bare],
  ['with two allowed', web(spread({ maxSkew: 2 })), [on('x1', { app: 'web' })], bare],
  [
    'with more places wanted than there are',
    web(spread({ minDomains: 3 })),
    [on('x1', { app: 'web' }), on('y1', { app: 'web' })],
    { x1: uneven, x2: uneven, y1: uneven, ...bare },
  ],
  ['only where it can', web(spread({ whenUnsatisfiable: 'ScheduleAnyway' })), [on('x1', { app: 'web' })], {}],
  [
    'among the nodes that it may use',
    web({ ...spread(), nodeSelector: { [zone]: 'x' } }),
    [on('x1', { app: 'web' })],
    bare,
  ],
  [
    'and others of another rollout do not count',
    aPod('p', { metadata: { labels: { app: 'web', rev: '2' } }, spec: spread({ matchLabelKeys: ['rev'] }) }),
    [on('x1', { app: 'web', rev: '1' })],
    bare,
  ],
];
for (const [what, pod, running, refused] of spreads) {
  test(`a pod that is to be spread over zones ${what}`, () => {
    const nodes = nodesWith(running);
    const check = spreadCheck(pod, nodes);
    const found = nodes.flatMap((node) => check?.(node)?.reasons.map((reason) => [node.name, reason]) ?? []);
    assert.deepEqual(Object.fromEntries(found), refused);
  });
}
