// Which flows are forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlows, staleFlows } from '../../../../proxy/conntrack/rules.ts';
import type { Frontend } from '../../../../proxy/model.ts';

const vip: Frontend = { protocol: 'udp', ip: '10.96.0.10', port: 53, endpointIps: new Set(['10.0.0.1']) };
const nodePort: Frontend = { protocol: 'udp', ip: undefined, port: 30053, endpointIps: new Set(['10.0.0.1']) };
const host = new Set(['192.168.77.2']);
const flow = (destination: string, port: number, replySource: string) => ({
  protocol: 'udp',
  destination,
  port,
  replySource,
});

test('lines of the tool become flows', () => {
  const text = `udp      17 29 src=10.244.1.11 dst=10.96.0.10 sport=45000 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.244.1.11 sport=9090 dport=45000 mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.
`;
  assert.deepEqual(parseFlows(text), [flow('10.96.0.10', 53, '10.0.0.2')]);
});

const table: readonly [name: string, ...Parameters<typeof staleFlows>, stale: number][] = [
  ['to an endpoint that serves', [flow('10.96.0.10', 53, '10.0.0.1')], [vip], [], host, 0],
  ['to an endpoint that is gone', [flow('10.96.0.10', 53, '10.0.0.2')], [vip], [], host, 1],
  ['made before there were rules', [flow('10.96.0.10', 53, '10.96.0.10')], [vip], [], host, 1],
  [
    'many of one kind are one',
    [flow('10.96.0.10', 53, '10.0.0.2'), flow('10.96.0.10', 53, '10.0.0.2')],
    [vip],
    [],
    host,
    1,
  ],
  ['while nobody serves', [flow('10.96.0.10', 53, '10.0.0.2')], [{ ...vip, endpointIps: new Set() }], [], host, 0],
  ['to a nodePort of this host', [flow('192.168.77.2', 30053, '10.0.0.2')], [nodePort], [], host, 1],
  ['to the same port elsewhere', [flow('8.8.8.8', 30053, '8.8.8.8')], [nodePort], [], host, 0],
  ['of a Service that is gone', [flow('10.96.0.10', 53, '10.0.0.2')], [], [vip], host, 1],
  ['never translated, of a Service that is gone', [flow('10.96.0.10', 53, '10.96.0.10')], [], [vip], host, 0],
  ['of nobody', [flow('1.1.1.1', 53, '1.1.1.1')], [vip], [], host, 0],
];

for (const [name, flows, frontends, gone, hostAddresses, stale] of table)
  test(`flows ${name}`, () => assert.equal(staleFlows(flows, frontends, gone, hostAddresses).length, stale));
