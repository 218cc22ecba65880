// Which endpoints get traffic from this node, as a table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../../../kube/types.ts';
import { chooseEndpoints, readEndpoints } from '../../../../proxy/rules/endpoints.ts';
import { readService } from '../../../../proxy/rules/service-ports.ts';
import { nodeFactsOf } from '../../../builders/node-facts.ts';
import { type EndpointParts, service, slice } from '../../../builders/service.ts';

const v4 = { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4' as const] };

interface Row {
  readonly name: string;
  readonly spec?: Partial<Service['spec']>;
  readonly zone?: string;
  readonly endpoints: readonly EndpointParts[];
  readonly cluster: string;
  readonly local: string;
  readonly any: boolean;
}

const nodePort = { type: 'NodePort' as const, ports: [{ port: 80, nodePort: 30080 }] };
const here = (last: number, more: Partial<EndpointParts> = {}): EndpointParts => ({
  ip: `10.0.0.${last}`,
  node: 'node-1',
  ...more,
});
const there = (last: number, more: Partial<EndpointParts> = {}): EndpointParts => ({
  ip: `10.0.0.${last}`,
  node: 'node-2',
  ...more,
});
const leaving = { ready: false, serving: true, terminating: true };
const dead = { ready: false, serving: false, terminating: true };

const table: readonly Row[] = [
  {
    name: 'ready ones',
    endpoints: [here(1), there(2), there(3, { ready: false })],
    cluster: '1 2',
    local: '',
    any: true,
  },
  {
    name: 'leaving ones when none is ready',
    endpoints: [here(1, leaving), there(2, { ready: false })],
    cluster: '1',
    local: '',
    any: true,
  },
  {
    name: 'leaving ones not beside ready ones',
    endpoints: [here(1, leaving), there(2)],
    cluster: '2',
    local: '',
    any: true,
  },
  { name: 'dead ones never', endpoints: [here(1, dead)], cluster: '', local: '', any: false },
  {
    name: 'internal Local',
    spec: { internalTrafficPolicy: 'Local' },
    endpoints: [here(1), there(2)],
    cluster: '',
    local: '1',
    any: true,
  },
  {
    name: 'internal Local, none here',
    spec: { internalTrafficPolicy: 'Local' },
    endpoints: [there(2)],
    cluster: '',
    local: '',
    any: true,
  },
  {
    name: 'external Local prefers a leaving one here to a ready one there',
    spec: { ...nodePort, externalTrafficPolicy: 'Local' },
    endpoints: [here(1, leaving), there(2)],
    cluster: '2',
    local: '1',
    any: true,
  },
  {
    name: 'zone hints on all',
    zone: 'a',
    endpoints: [here(1, { zones: ['a'] }), there(2, { zones: ['b'] })],
    cluster: '1',
    local: '',
    any: true,
  },
  {
    name: 'zone hints on some',
    zone: 'a',
    endpoints: [here(1, { zones: ['a'] }), there(2)],
    cluster: '1 2',
    local: '',
    any: true,
  },
  {
    name: 'zone hints for others only',
    zone: 'c',
    endpoints: [here(1, { zones: ['a'] })],
    cluster: '1',
    local: '',
    any: true,
  },
  {
    name: 'zone hints, node without zone',
    endpoints: [here(1, { zones: ['a'] }), there(2, { zones: ['b'] })],
    cluster: '1 2',
    local: '',
    any: true,
  },
  {
    name: 'hints of endpoints that are not ready do not count',
    zone: 'a',
    endpoints: [here(1, { zones: ['a'] }), there(2, { ready: false })],
    cluster: '1',
    local: '',
    any: true,
  },
  {
    name: 'node hints before zone hints',
    zone: 'a',
    endpoints: [here(1, { zones: ['a'], nodes: ['node-2'] }), there(2, { zones: ['a'], nodes: ['node-1'] })],
    cluster: '2',
    local: '',
    any: true,
  },
  {
    name: 'Local ignores hints',
    zone: 'a',
    spec: { internalTrafficPolicy: 'Local' },
    endpoints: [here(1, { zones: ['b'] }), here(2, { zones: ['a'] })],
    cluster: '',
    local: '1 2',
    any: true,
  },
];

for (const { name, spec = {}, zone, endpoints, ...expected } of table)
  test(name, () => {
    const [port] = readService(service({ name: 'web', spec: { ...v4, ...spec } }), 4).ports;
    assert.ok(port);
    const all = readEndpoints([slice({ service: 'web', endpoints })], port, 4);
    const { cluster, local, any } = chooseEndpoints(port, all, nodeFactsOf({ zone }));
    const last = (list: readonly { ip: string }[]): string => list.map(({ ip }) => ip.split('.')[3]).join(' ');
    assert.deepEqual({ cluster: last(cluster), local: last(local), any }, expected);
  });

test('slices are read by port name, protocol and family; the pod that stays wins over the one that goes', () => {
  const [port] = readService(service({ name: 'web', spec: { ...v4, ports: [{ name: 'http', port: 80 }] } }), 4).ports;
  assert.ok(port);
  const slices = [
    slice({ service: 'web', name: 'a', ports: [{ name: 'http', port: 8080 }], endpoints: [here(1)] }),
    slice({
      service: 'web',
      name: 'b',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [here(1, leaving), there(2), { ip: '127.0.0.1' }],
    }),
    slice({ service: 'web', name: 'c', ports: [{ name: 'http', port: 9090 }], endpoints: [there(3)] }),
    slice({
      service: 'web',
      name: 'd',
      ports: [
        { name: 'http', port: 1, protocol: 'UDP' },
        { name: 'x', port: 2 },
      ],
      endpoints: [there(4)],
    }),
    slice({ service: 'web', name: 'e', family: 6, ports: [{ name: 'http', port: 3 }], endpoints: [{ ip: 'fd00::1' }] }),
  ];
  assert.deepEqual(
    readEndpoints(slices, port, 4).map(({ ip, port: number, terminating }) => [ip, number, terminating]),
    [
      ['10.0.0.1', 8080, false],
      ['10.0.0.2', 8080, false],
      ['10.0.0.3', 9090, false],
    ],
  );
});
