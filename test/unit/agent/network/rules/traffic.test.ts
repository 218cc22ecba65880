import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPortsOf } from '../../../../../agent/network/rules/host-ports.ts';
import { planRoutes, wantedRoutes } from '../../../../../agent/network/rules/routes.ts';
import { type HostPort, renderChains, trafficChains } from '../../../../../agent/network/rules/traffic.ts';

const traffic = { podCidrs: ['10.244.1.0/24'], clusterCidrs: ['10.244.0.0/16'], hostPorts: [] };
const port = (change: Partial<HostPort> = {}): HostPort => ({
  ...{ pod: 'shop/web', protocol: 'tcp', hostIp: '', hostPort: 8080, podIp: '10.244.1.5', containerPort: 80 },
  ...change,
});

test('the rules of a node without host ports', () => {
  const text = renderChains(trafficChains(traffic, 4), () => true);
  assert.equal(
    text,
    `*filter
:NODELET-FORWARD - [0:0]
-A NODELET-FORWARD -s 10.244.0.0/16 -m comment --comment "nodelet: pods may send" -j ACCEPT
-A NODELET-FORWARD -d 10.244.0.0/16 -m comment --comment "nodelet: pods may be reached" -j ACCEPT
-A FORWARD -m comment --comment nodelet:pod-traffic -j NODELET-FORWARD
COMMIT
*nat
:NODELET-MASQUERADE - [0:0]
:NODELET-HOSTPORTS - [0:0]
-A NODELET-MASQUERADE -d 10.244.0.0/16 -m comment --comment "nodelet: pods see the true source" -j RETURN
-A NODELET-MASQUERADE -s 10.244.1.0/24 -m comment --comment "nodelet: pods leave the cluster as the node" -j MASQUERADE --random-fully
-A POSTROUTING -m comment --comment nodelet:pod-traffic -j NODELET-MASQUERADE
COMMIT
`,
  );
});

test('host ports: the narrower address first, only for the node itself, and a way back for loopback and the pod itself', () => {
  const hostPorts = [port(), port({ hostIp: '127.0.0.1', podIp: '10.244.1.6', pod: 'shop/own', protocol: 'udp' })];
  const [, masquerade, chain] = trafficChains({ ...traffic, hostPorts }, 4);
  assert.deepEqual(chain?.rules, [
    '-d 127.0.0.1/32 -p udp -m udp --dport 8080 -m comment --comment "nodelet: host port of shop/own" -j DNAT --to-destination 10.244.1.6:80',
    '-p tcp -m tcp --dport 8080 -m comment --comment "nodelet: host port of shop/web" -j DNAT --to-destination 10.244.1.5:80',
  ]);
  assert.deepEqual(chain?.from, [
    { chain: 'PREROUTING', match: ['-m', 'addrtype', '--dst-type', 'LOCAL'] },
    { chain: 'OUTPUT', match: ['-m', 'addrtype', '--dst-type', 'LOCAL'] },
  ]);
  assert.deepEqual(masquerade?.rules.slice(0, 3), [
    '-s 10.244.1.5/32 -d 10.244.1.5/32 -p tcp -m tcp --dport 80 -m comment --comment "nodelet: shop/web reaches its own host port" -j MASQUERADE --random-fully',
    '-s 10.244.1.6/32 -d 10.244.1.6/32 -p udp -m udp --dport 80 -m comment --comment "nodelet: shop/own reaches its own host port" -j MASQUERADE --random-fully',
    '-s 127.0.0.0/8 -d 10.244.1.0/24 -m comment --comment "nodelet: host port on loopback" -j MASQUERADE --random-fully',
  ]);
});

test('families keep apart, and one that the cluster does not speak has no chains', () => {
  assert.deepEqual(trafficChains(traffic, 6), []);
  const dual = { podCidrs: ['10.244.1.0/24', 'fd00:1::/64'], clusterCidrs: ['10.244.0.0/16', 'fd00::/16'] };
  const [, , chain] = trafficChains({ ...dual, hostPorts: [port({ podIp: 'fd00:1::5' }), port()] }, 6);
  assert.deepEqual(chain?.rules, [
    '-p tcp -m tcp --dport 8080 -m comment --comment "nodelet: host port of shop/web" -j DNAT --to-destination [fd00:1::5]:80',
  ]);
});

test('no name of a pod ends a rule', () => {
  const [, , chain] = trafficChains({ ...traffic, hostPorts: [port({ pod: 'a/b"\n-A FORWARD -j ACCEPT' })] }, 4);
  assert.match(chain?.rules[0] ?? '', /"nodelet: host port of a\/b__-A FORWARD -j ACCEPT" -j DNAT/);
});

const mapping = (hostIP: string, protocol = 'tcp') => ({
  portMappings: [{ hostPort: 53, containerPort: 5353, protocol, hostIP }],
});
const network = { cniVersion: '1.0.0', name: 'n', plugins: [{ type: 'nodelet-bridge' }] };
const ips = ['10.244.1.5', 'fd00::5'];

test('host ports follow the addresses of their family', () => {
  const of = (hostIP: string) => hostPortsOf('a/b', network, mapping(hostIP), ips).map(({ podIp }) => podIp);
  assert.deepEqual(
    [of(''), of('0.0.0.0'), of('::'), of('192.168.0.1')],
    [ips, ['10.244.1.5'], ['fd00::5'], ['10.244.1.5']],
  );
});

test('a plugin that maps ports itself is left to it', () => {
  const plugins = [{ type: 'portmap', capabilities: { portMappings: true } }];
  assert.deepEqual(hostPortsOf('a/b', { ...network, plugins }, mapping(''), ips), []);
});

test('routes: what is wanted, what goes, what comes, and why', () => {
  const wanted = wantedRoutes([
    { node: 'a', podCidrs: ['10.244.2.0/24', 'fd00:2::/64'], addresses: ['192.168.0.2', 'fd77:0::2'] },
    { node: 'b', podCidrs: ['10.244.3.0/24', 'nonsense'], addresses: ['192.168.0.3'] },
    { node: 'c', podCidrs: ['fd00:4::/64'], addresses: ['192.168.0.4'] },
  ]);
  assert.deepEqual(wanted, [
    { dst: '10.244.2.0/24', via: '192.168.0.2' },
    { dst: 'fd00:2::/64', via: 'fd77::2' },
    { dst: '10.244.3.0/24', via: '192.168.0.3' },
  ]);
  const seen = [...wanted.slice(0, 2), { dst: '10.244.3.0/24', via: '192.168.0.9' }];
  assert.deepEqual(planRoutes(wanted, seen), [
    {
      line: 'route del 10.244.3.0/24 via 192.168.0.9 proto 78',
      because: 'no node has 10.244.3.0/24 at 192.168.0.9 any more',
    },
    {
      line: 'route replace 10.244.3.0/24 via 192.168.0.3 proto 78',
      because: 'the pods of 10.244.3.0/24 are behind 192.168.0.3',
    },
  ]);
  assert.deepEqual(planRoutes(wanted, wanted), []);
});
