// Services and pods become Endpoints and EndpointSlices: who is listed, as what, in which slice, and with how few writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSliceController, planSlices } from '../../../../controlplane/controllers/rules/endpoint-slices.ts';
import { endpointsController, planEndpoints } from '../../../../controlplane/controllers/rules/endpoints.ts';
import { backendsOf } from '../../../../controlplane/controllers/rules/service-endpoints.ts';
import type { Action } from '../../../../controlplane/model.ts';
import { endpointSlices, endpoints } from '../../../../kube/resources.ts';
import type { EndpointSlice, Endpoints, KubeObject, Pod, Service } from '../../../../kube/types.ts';
import { aPod, aService, aSlice, viewOf } from '../../../builders/control-plane.ts';

const web = (name: string, ip: string, over: Parameters<typeof aPod>[1] = {}): Pod =>
  aPod(name, {
    ip,
    ...over,
    metadata: { labels: { app: 'web' }, ...over.metadata },
    spec: { nodeName: 'n1', ...over.spec },
  });

const plan = (service: Service, all: Pod[], slices: EndpointSlice[] = []) =>
  planSlices(service, backendsOf(service, all), slices);

const endpoint = (name: string, ip: string, conditions = { ready: true, serving: true, terminating: false }) => ({
  addresses: [ip],
  conditions,
  targetRef: { kind: 'Pod', namespace: 'default', name, uid: `uid-${name}` },
  nodeName: 'n1',
});
const httpPorts: EndpointSlice['ports'] = [{ name: 'http', port: 8080, protocol: 'TCP' }];

test('the first pod of a service makes a slice', () => {
  assert.deepEqual(plan(aService('web'), [web('a', '10.244.0.2')]), [
    {
      do: 'Create',
      of: endpointSlices,
      object: {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          generateName: 'web-',
          namespace: 'default',
          labels: {
            'kubernetes.io/service-name': 'web',
            'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          },
          annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:10Z' },
          ownerReferences: [
            {
              apiVersion: 'v1',
              kind: 'Service',
              name: 'web',
              uid: 'uid-web',
              controller: true,
              blockOwnerDeletion: true,
            },
          ],
        },
        addressType: 'IPv4',
        endpoints: [endpoint('a', '10.244.0.2')],
        ports: httpPorts,
      },
      because: 'endpoints have no slice yet',
    },
  ]);
});

const deleted = { deletionTimestamp: '2026-01-01T00:00:20Z' };
const states: [string, Service, Pod, ReturnType<typeof endpoint>['conditions'] | undefined][] = [
  ['ready', aService('web'), web('a', '10.0.0.1'), { ready: true, serving: true, terminating: false }],
  [
    'not ready',
    aService('web'),
    web('a', '10.0.0.1', { ready: false }),
    { ready: false, serving: false, terminating: false },
  ],
  [
    'terminating',
    aService('web'),
    web('a', '10.0.0.1', { metadata: { labels: { app: 'web' }, ...deleted } }),
    { ready: false, serving: true, terminating: true },
  ],
  [
    'not ready, but published',
    aService('web', { publishNotReadyAddresses: true }),
    web('a', '10.0.0.1', { ready: false }),
    { ready: true, serving: false, terminating: false },
  ],
  ['without an address', aService('web'), web('a', ''), undefined],
  ['finished', aService('web'), web('a', '10.0.0.1', { phase: 'Succeeded' }), undefined],
  ['of another app', aService('web'), web('a', '10.0.0.1', { metadata: { labels: { app: 'db' } } }), undefined],
];
for (const [what, service, pod, conditions] of states) {
  test(`a pod that is ${what}`, () => {
    const [create] = plan(service, [pod]);
    const listed = create?.do === 'Create' ? (create.object['endpoints'] as { conditions: unknown }[]) : [];
    assert.deepEqual(
      listed.map((one) => one.conditions),
      conditions ? [conditions] : [],
    );
  });
}

test('nothing is written when nothing changed', () => {
  const slice = aSlice('web-1', 'web', { endpoints: [endpoint('a', '10.0.0.1')], ports: httpPorts ?? [] });
  assert.deepEqual(plan(aService('web'), [web('a', '10.0.0.1')], [slice]), []);
  assert.deepEqual(plan(aService('web'), [], [aSlice('web-1', 'web')]), []);
});

const does = (actions: readonly Action[]): unknown[] =>
  actions.map((one) => {
    if (one.do === 'Update') {
      const { metadata, endpoints: listed } = one.object as EndpointSlice;
      return ['Update', metadata.name, (listed ?? []).map(({ targetRef }) => targetRef?.name)];
    }
    if (one.do === 'Create') return ['Create', (one.object['endpoints'] as unknown[]).length];
    return one.do === 'Delete' ? ['Delete', one.at.name] : one.do;
  });

test('a change is written where the endpoint stands; a new pod joins the slice that is written anyway', () => {
  const slice = (name: string, ...names: string[]) =>
    aSlice(name, 'web', {
      endpoints: names.map((one) => endpoint(one, `10.0.0.${one.charCodeAt(0)}`)),
      ports: httpPorts ?? [],
    });
  const pod = (name: string, ready = true) => web(name, `10.0.0.${name.charCodeAt(0)}`, { ready });
  const two = [slice('web-1', 'a', 'b'), slice('web-2', 'c')];
  assert.deepEqual(does(plan(aService('web'), [pod('a'), pod('b'), pod('c', false), pod('d')], two)), [
    ['Update', 'web-2', ['c', 'd']],
  ]);
  assert.deepEqual(does(plan(aService('web'), [pod('a'), pod('b')], two)), [['Delete', 'web-2']]);
  assert.deepEqual(does(plan(aService('web'), [pod('a'), pod('b'), pod('c'), pod('d')], two)), [
    ['Update', 'web-1', ['a', 'b', 'd']],
  ]);
});

test('the last pod leaves an empty slice behind, and the first takes it over', () => {
  const slice = aSlice('web-1', 'web', { endpoints: [endpoint('a', '10.0.0.1')], ports: httpPorts ?? [] });
  const actions = plan(aService('web'), [], [slice]);
  assert.deepEqual(does(actions), [['Update', 'web-1', []]]);
  assert.deepEqual(does(plan(aService('web'), [web('a', '10.0.0.1')], [aSlice('web-1', 'web')])), [
    ['Update', 'web-1', ['a']],
  ]);
});

test('slices hold 100 endpoints, and pods whose named port differs have slices of their own', () => {
  const many = Array.from({ length: 250 }, (_, at) => web(`p${at}`, `10.1.${Math.floor(at / 250)}.${at % 250}`));
  assert.deepEqual(does(plan(aService('web'), many)), [
    ['Create', 100],
    ['Create', 100],
    ['Create', 50],
  ]);
  const named = aService('web', { ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'web' }] });
  const at = (name: string, port: number) =>
    web(name, `10.0.0.${port % 100}`, {
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: port }] }] },
    });
  const created = plan(named, [at('a', 8080), at('b', 8081)]);
  assert.deepEqual(
    created.map((one) => one.do === 'Create' && one.object['ports']),
    [8080, 8081].map((port) => [{ name: 'http', port, protocol: 'TCP' }]),
  );
});

test('both families have slices of their own', () => {
  const dual = web('a', '10.0.0.1');
  if (dual.status) dual.status.podIPs = [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }];
  const created = plan(aService('web', { ipFamilies: ['IPv4', 'IPv6'] }), [dual]);
  assert.deepEqual(
    created.map(
      (one) =>
        one.do === 'Create' && [
          one.object['addressType'],
          (one.object['endpoints'] as { addresses: string[] }[])[0]?.addresses,
        ],
    ),
    [
      ['IPv4', ['10.0.0.1']],
      ['IPv6', ['fd00::1']],
    ],
  );
});

test('a headless service shows host names and says that it is headless', () => {
  const service = aService('web', { clusterIP: 'None' }, { labels: { tier: 'front' } });
  const pod = web('a', '10.0.0.1', { spec: { nodeName: 'n1', hostname: 'a-0', subdomain: 'web' } });
  const [create] = plan(service, [pod]);
  assert.ok(create?.do === 'Create');
  assert.deepEqual(create.object.metadata.labels, {
    tier: 'front',
    'service.kubernetes.io/headless': '',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  assert.equal((create.object['endpoints'] as { hostname?: string }[])[0]?.hostname, 'a-0');
});

test('services without a selector are their owner’s affair, and slices of vanished services go', () => {
  const mine = aSlice('web-1', 'web');
  const foreign = aSlice('other', 'web');
  foreign.metadata.labels = { 'kubernetes.io/service-name': 'web' };
  const bare = aService('web', { selector: {} });
  const look = (...objects: KubeObject[]) =>
    endpointSliceController.reconcile('default/web', viewOf(...objects), 0, undefined).actions;
  assert.deepEqual(look(bare, mine), []);
  assert.deepEqual(does(look(mine, foreign)), [['Delete', 'web-1']]);
});

test('an Endpoints object lists ready and unready addresses by port', () => {
  const service = aService('web');
  const all = [
    web('b', '10.0.0.2'),
    web('a', '10.0.0.1'),
    web('c', '10.0.0.3', { ready: false }),
    web('d', '10.0.0.4', { metadata: { labels: { app: 'web' }, ...deleted } }),
  ];
  const address = (name: string, ip: string) => ({
    ip,
    nodeName: 'n1',
    targetRef: { kind: 'Pod', name, namespace: 'default', uid: `uid-${name}` },
  });
  const metadata = {
    name: 'web',
    namespace: 'default',
    labels: { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:10Z' },
  };
  const subsets = [
    {
      addresses: [address('a', '10.0.0.1'), address('b', '10.0.0.2')],
      notReadyAddresses: [address('c', '10.0.0.3')],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' as const }],
    },
  ];
  const object = { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets };
  const backends = backendsOf(service, all);
  assert.deepEqual(planEndpoints(service, backends, undefined), [
    { do: 'Create', of: endpoints, object, because: 'its service has none' },
  ]);
  const known = { ...object, metadata: { ...metadata, uid: 'u', resourceVersion: '6' } } as Endpoints;
  assert.deepEqual(planEndpoints(service, backends, known), []);
  assert.deepEqual(
    planEndpoints(service, backendsOf(service, [web('a', '10.0.0.1')]), known).map((one) => one.do),
    ['Update'],
  );
  assert.deepEqual(
    endpointsController.reconcile('default/web', viewOf(known), 0, undefined).actions.map((one) => one.do),
    ['Delete'],
  );
});
