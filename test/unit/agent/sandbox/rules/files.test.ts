// /etc/hosts, resolv.conf and the hostname of a pod.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResolvConf, renderResolvConf, resolverOf } from '../../../../../agent/sandbox/rules/dns.ts';
import { hostnameOf } from '../../../../../agent/sandbox/rules/hostname.ts';
import { hostsFile } from '../../../../../agent/sandbox/rules/hosts.ts';
import { pod } from '../../../../builders/pod.ts';

const node = parseResolvConf(
  'search old\n# no\nnameserver 1.1.1.1\nsearch example.com corp.\noptions ndots:1 rotate\n',
);
const cluster = { domain: 'cluster.local', servers: ['10.96.0.10'], node };

for (const [name, spec, text] of [
  [
    'ClusterFirst',
    {},
    'nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local example.com corp\noptions ndots:5\n',
  ],
  ['Default', { dnsPolicy: 'Default' }, 'nameserver 1.1.1.1\nsearch example.com corp\noptions ndots:1 rotate\n'],
  [
    'ClusterFirst in the host network',
    { hostNetwork: true },
    'nameserver 1.1.1.1\nsearch example.com corp\noptions ndots:1 rotate\n',
  ],
  [
    'None with words of its own',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['9.9.9.9'], searches: ['x'], options: [{ name: 'ndots', value: '2' }] },
    },
    'nameserver 9.9.9.9\nsearch x\noptions ndots:2\n',
  ],
] as const) {
  test(`resolv.conf: ${name}`, () => {
    assert.equal(renderResolvConf(resolverOf(pod(spec as Parameters<typeof pod>[0]), cluster)), text);
  });
}

test('a fourth name server is left out, and the user is told', () => {
  const nameservers = ['1.0.0.1', '1.0.0.2', '1.0.0.3', '1.0.0.4'];
  const resolver = resolverOf(pod({ dnsPolicy: 'None', dnsConfig: { nameservers } }), cluster);
  assert.deepEqual(resolver.nameservers, nameservers.slice(0, 3));
  assert.deepEqual(
    resolver.warnings.map(({ reason }) => reason),
    ['DNSConfigForming'],
  );
});

test('a value cannot bring a line of its own', () => {
  const evil = pod({ dnsPolicy: 'None', dnsConfig: { searches: ['x\nnameserver 6.6.6.6'] } });
  assert.throws(() => renderResolvConf(resolverOf(evil, cluster)), /must not contain control characters/);
  const hosts = pod({ hostAliases: [{ ip: '1.2.3.4', hostnames: ['a\n6.6.6.6 kubernetes.default'] }] });
  assert.throws(() => hostsFile(hosts, [], hostnameOf(hosts, '')), /must not contain control characters/);
});

test('hosts: every address, the full name first, aliases at the end', () => {
  const wish = pod({ subdomain: 'sub', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] });
  const text = hostsFile(wish, ['10.244.0.5', 'fd00::5'], hostnameOf(wish, 'cluster.local'));
  assert.equal(
    text.slice(text.indexOf('10.244')),
    '10.244.0.5\tweb.sub.default.svc.cluster.local\tweb\nfd00::5\tweb.sub.default.svc.cluster.local\tweb\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n',
  );
});

test('a long name is cut without a dash at its end', () => {
  const wish = pod({}, { name: `${'a'.repeat(62)}-${'b'.repeat(30)}` });
  assert.equal(hostnameOf(wish, '').hostname, 'a'.repeat(62));
});

test('a full name that the kernel does not take is refused', () => {
  const wish = pod({ subdomain: 's'.repeat(40), setHostnameAsFQDN: true });
  assert.throws(
    () => hostnameOf(wish, 'cluster.local'),
    /is too long \(64 characters is the max, \d+ characters requested\)/,
  );
});
