// What each kind of Service is called.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceRecords } from '../../../../../controlplane/dns/rules/service-records.ts';
import type { EndpointSlice, Service } from '../../../../../kube/types.ts';
import { hosts } from '../../../../builders/dns.ts';
import { service } from '../../../../builders/service.ts';

const suffix = '.default.svc.cluster.local';

/** One line for each record, the suffix that all share as "~". */
function lines(one: Service, slices: readonly EndpointSlice[] = []): string[] {
  return serviceRecords(one, slices, 'cluster.local').map(({ name, type, data, ttl }) => {
    assert.equal(ttl, 5);
    const text =
      typeof data === 'string' || !('weight' in data)
        ? String(data)
        : `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    return `${name} ${type} ${text}`.replaceAll(suffix, '~');
  });
}

const named = [{ name: 'http', port: 80, protocol: 'TCP' as const }];

test('a cluster address has A, PTR, and SRV for named ports; its own name lists every port', () => {
  const ports = [...named, { port: 53, protocol: 'UDP' as const }];
  assert.deepEqual(lines(service({ name: 'hello', spec: { clusterIP: '10.96.0.5', ports } })), [
    'hello~ A 10.96.0.5',
    '5.0.96.10.in-addr.arpa PTR hello~',
    'hello~ SRV 0 50 80 hello~',
    'hello~ SRV 0 50 53 hello~',
    '_http._tcp.hello~ SRV 0 100 80 hello~',
  ]);
});

test('two families have A and AAAA', () => {
  const spec = { clusterIP: '10.96.0.6', clusterIPs: ['10.96.0.6', 'fd00::6'], ports: [] };
  assert.deepEqual(lines(service({ name: 'both', spec })), [
    'both~ A 10.96.0.6',
    'both~ AAAA fd00::6',
    '6.0.96.10.in-addr.arpa PTR both~',
    '6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR both~',
  ]);
});

const endpoints = [
  { ip: '10.244.0.1', hostname: 'web-0' },
  { ip: '10.244.0.2' },
  { ip: '10.244.0.3', hostname: 'web-2', ready: false },
];

test('a headless Service lists ready endpoints, by host name or by address', () => {
  const one = service({ name: 'web', spec: { clusterIP: 'None', ports: named } });
  assert.deepEqual(lines(one, [hosts('web', endpoints)]), [
    'web~ A 10.244.0.1',
    'web~ A 10.244.0.2',
    'web-0.web~ A 10.244.0.1',
    '10-244-0-2.web~ A 10.244.0.2',
    '1.0.244.10.in-addr.arpa PTR web-0.web~',
    '2.0.244.10.in-addr.arpa PTR 10-244-0-2.web~',
    'web~ SRV 0 50 8080 web-0.web~',
    'web~ SRV 0 50 8080 10-244-0-2.web~',
    '_http._tcp.web~ SRV 0 50 8080 web-0.web~',
    '_http._tcp.web~ SRV 0 50 8080 10-244-0-2.web~',
  ]);
});

test('publishNotReadyAddresses lists the others too', () => {
  const one = service({ name: 'web', spec: { clusterIP: 'None', publishNotReadyAddresses: true } });
  const all = lines(one, [hosts('web', endpoints)]);
  assert.ok(all.includes('web~ A 10.244.0.3'));
  assert.ok(all.includes('web-2.web~ A 10.244.0.3'));
});

test('an endpoint of two families, or in two slices at once, is one target', () => {
  const one = service({ name: 'web', spec: { clusterIP: 'None' } });
  const v4 = hosts('web', [{ ip: '10.244.0.1', hostname: 'web-0' }]);
  const v6 = hosts('web', [{ ip: 'fd00::1', hostname: 'web-0' }], 6);
  assert.deepEqual(
    lines(one, [v4, v4, v6]).filter((line) => !line.includes('arpa')),
    [
      'web~ A 10.244.0.1',
      'web~ AAAA fd00::1',
      'web-0.web~ A 10.244.0.1',
      'web-0.web~ AAAA fd00::1',
      'web~ SRV 0 100 8080 web-0.web~',
      '_http._tcp.web~ SRV 0 100 8080 web-0.web~',
    ],
  );
});

test('a cluster address knows its named endpoints as well, as CoreDNS does', () => {
  const one = service({ name: 'web', spec: { clusterIP: '10.96.0.7', ports: [] } });
  assert.deepEqual(lines(one, [hosts('web', endpoints)]), [
    'web~ A 10.96.0.7',
    '7.0.96.10.in-addr.arpa PTR web~',
    'web-0.web~ A 10.244.0.1',
  ]);
});

test('an external name is an alias and nothing else; without a name, without an address, there is nothing', () => {
  const external = { type: 'ExternalName' as const, externalName: 'Www.Example.com.', ports: named };
  assert.deepEqual(lines(service({ name: 'outer', spec: external })), ['outer~ CNAME www.example.com']);
  assert.deepEqual(lines(service({ name: 'outer', spec: { type: 'ExternalName' } })), []);
  assert.deepEqual(lines(service({ name: 'idle', spec: { clusterIP: 'None', ports: named } })), []);
});
