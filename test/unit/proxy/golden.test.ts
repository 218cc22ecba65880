// Every shape of rules against a golden file. `UPDATE_GOLDEN=1` writes the files anew; read the difference before it is committed.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EndpointSlice, Service } from '../../../kube/types.ts';
import type { NodeFacts } from '../../../proxy/model.ts';
import { createRulebook } from '../../../proxy/rulebook.ts';
import { baseRules } from '../../../proxy/rules/base.ts';
import { renderRestore } from '../../../proxy/rules/render.ts';
import { compileService } from '../../../proxy/rules/service.ts';
import { nodeFactsOf } from '../../builders/node-facts.ts';
import { type EndpointParts, service, slice } from '../../builders/service.ts';

interface Shape {
  readonly facts?: Partial<NodeFacts>;
  readonly base?: boolean;
  readonly services: readonly (readonly [Service, ...EndpointSlice[]])[];
}

const v4 = { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4' as const] };
const v6 = { clusterIP: 'fd00:10:96::a', clusterIPs: ['fd00:10:96::a'], ipFamilies: ['IPv6' as const] };
const here: EndpointParts = { ip: '10.244.1.10', node: 'node-1' };
const there: EndpointParts = { ip: '10.244.2.10', node: 'node-2' };
const two = slice({ service: 'web', endpoints: [here, there] });
const ranges = ['10.0.0.0/8', '192.168.77.0/24', '2001:db8::/32'];
const status = { loadBalancer: { ingress: [{ ip: '203.0.113.20' }, { ip: '203.0.113.21', ipMode: 'Proxy' }] } };
const everything = {
  ...v4,
  type: 'LoadBalancer' as const,
  externalIPs: ['203.0.113.10', '127.0.0.1'],
  ports: [{ port: 80, nodePort: 30080 }],
};
const web = (spec: Partial<Service['spec']>, more: Pick<Service, 'status'> = {}): Service =>
  service({ name: 'web', spec, ...(more.status ? { status: more.status } : {}) });

const shapes: Readonly<Record<string, Shape>> = {
  'no-services': { base: true, services: [] },
  'no-services-ipv6': { base: true, facts: { family: 6 }, services: [] },
  'no-services-nodeport-addresses': {
    base: true,
    facts: { nodePortAddresses: ['192.168.77.2'], dropInvalid: false, masqueradeBit: 20 },
    services: [],
  },
  'cluster-ip': { services: [[web(v4), two]] },
  'cluster-ip-ipv6': {
    facts: { family: 6 },
    services: [
      [web(v6), slice({ service: 'web', family: 6, endpoints: [{ ip: 'fd00:10:244:1::a', node: 'node-1' }] })],
    ],
  },
  'cluster-ip-no-detector': { facts: { detector: undefined }, services: [[web(v4), two]] },
  'cluster-ip-masquerade-all': { facts: { masqueradeAll: true }, services: [[web(v4), two]] },
  'cluster-ip-bridge': {
    facts: { detector: { ifLocal: '-i cni0', ifNotLocal: '! -i cni0' } },
    services: [[web(v4), two]],
  },
  'cluster-ip-without-endpoints': { services: [[web(v4)]] },
  'cluster-ip-internal-local': { services: [[web({ ...v4, internalTrafficPolicy: 'Local' }), two]] },
  'cluster-ip-internal-local-none-here': {
    services: [[web({ ...v4, internalTrafficPolicy: 'Local' }), slice({ service: 'web', endpoints: [there] })]],
  },
  'affinity-recent': { services: [[web({ ...v4, sessionAffinity: 'ClientIP' }), two]] },
  'affinity-ipset': {
    facts: { affinity: 'ipset' },
    services: [
      [web({ ...v4, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }), two],
    ],
  },
  'node-port': { services: [[web({ ...v4, type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }), two]] },
  'load-balancer': { services: [[web(everything, { status }), two]] },
  'load-balancer-ranges': {
    services: [[web({ ...everything, loadBalancerSourceRanges: ranges }, { status }), two]],
  },
  'load-balancer-without-endpoints': {
    services: [[web({ ...everything, loadBalancerSourceRanges: ranges }, { status })]],
  },
  'load-balancer-external-local': {
    services: [[web({ ...everything, externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }, { status }), two]],
  },
  'load-balancer-external-local-none-here': {
    services: [
      [
        web({ ...everything, externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 }, { status }),
        slice({ service: 'web', endpoints: [there] }),
      ],
    ],
  },
  'three-protocols': {
    services: [
      [
        web({
          ...v4,
          ports: (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({
            name: protocol.toLowerCase(),
            port: 53,
            protocol,
          })),
        }),
        slice({
          service: 'web',
          endpoints: [there],
          ports: (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({
            name: protocol.toLowerCase(),
            port: 5353,
            protocol,
          })),
        }),
      ],
    ],
  },
  'forty-endpoints': {
    services: [
      [
        web(v4),
        slice({
          service: 'web',
          endpoints: Array.from({ length: 40 }, (_, at) => ({ ip: `10.244.2.${at + 1}`, node: 'node-2' })),
        }),
      ],
    ],
  },
  'neighbours-share-branches': {
    services: ['10.96.0.10', '10.96.0.11', '10.96.0.200', '10.97.0.1', '172.20.0.1'].map((ip, at) => [
      service({ name: `web-${at}`, spec: { ...v4, clusterIP: ip, clusterIPs: [ip] } }),
      slice({ service: `web-${at}`, endpoints: [there] }),
    ]),
  },
};

function render({ facts: more = {}, base = false, services }: Shape): string {
  const facts = nodeFactsOf(more);
  const books = { filter: createRulebook('filter'), nat: createRulebook('nat') };
  for (const table of ['filter', 'nat'] as const) {
    if (base) books[table].replace('', baseRules(facts)[table]);
    for (const [object, ...slices] of services)
      books[table].replace(object.metadata.name, compileService(object, slices, facts).rules[table]);
  }
  return renderRestore([...books.filter.pending(), ...books.nat.pending()]);
}

for (const [name, shape] of Object.entries(shapes))
  test(`rules of ${name.replaceAll('-', ' ')}`, () => {
    const file = join(import.meta.dirname, '../../golden/proxy', `${name}.txt`);
    const text = render(shape);
    if (process.env['UPDATE_GOLDEN']) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
  });
