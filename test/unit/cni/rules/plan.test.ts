import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attachment } from '../../../../cni/model.ts';
import { differences, type SeenAttachment } from '../../../../cni/rules/check.ts';
import { parseBridgeConfig } from '../../../../cni/rules/config.ts';
import { planBridge, planHostSide, planPodSide, routesFor } from '../../../../cni/rules/plan.ts';
import { describeAddress } from '../../../../cni/rules/ranges.ts';
import { renderResult } from '../../../../cni/rules/result.ts';

const file = {
  cniVersion: '1.1.0',
  name: 'pods',
  type: 'nodelet-bridge',
  bridge: 'br0',
  isDefaultGateway: true,
  hairpinMode: true,
  mtu: 1450,
  ipam: { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd01::/64' }]], routes: [{ dst: '10.96.0.0/16' }] },
};
const config = parseBridgeConfig(file);
const addresses = ['10.1.2.5', 'fd01::5'].flatMap((text) => describeAddress(config.rangeSets, text) ?? []);
const attachment: Attachment = {
  containerId: 'abc',
  ifName: 'eth0',
  netns: '/proc/7/ns/net',
  hostIfName: 'vethaaaaaaaaaaa',
  mac: '0a:58:0a:01:02:05',
  addresses,
  routes: routesFor(config, addresses),
};

test('the bridge gets an address of its own, so that it does not change with its ports', () => {
  assert.deepEqual(planBridge(config), ['link add dev br0 address 0a:58:0a:01:02:01 mtu 1450 type bridge']);
});

test('the host side is one batch', () => {
  assert.deepEqual(planHostSide(config, attachment), [
    'address replace 10.1.2.1/24 dev br0',
    'address replace fd01::1/64 dev br0 nodad',
    'link set dev br0 up',
    'link add dev vethaaaaaaaaaaa mtu 1450 type veth peer name eth0 address 0a:58:0a:01:02:05 mtu 1450 netns /proc/7/ns/net',
    'link set dev vethaaaaaaaaaaa addrgenmode none master br0 up',
    'link set dev vethaaaaaaaaaaa type bridge_slave hairpin on',
    'address show dev br0',
    'address show dev vethaaaaaaaaaaa',
  ]);
});

test('a bridge that is no gateway carries no address, and a plain port no hairpin', () => {
  const plain = parseBridgeConfig({ ...file, isDefaultGateway: false, hairpinMode: false, mtu: undefined });
  assert.deepEqual(planHostSide(plain, attachment).slice(0, 3), [
    'link set dev br0 up',
    'link add dev vethaaaaaaaaaaa type veth peer name eth0 address 0a:58:0a:01:02:05 netns /proc/7/ns/net',
    'link set dev vethaaaaaaaaaaa addrgenmode none master br0 up',
  ]);
});

test('the pod side is one batch: loopback, addresses, routes', () => {
  assert.deepEqual(planPodSide(attachment), [
    'link set dev lo up',
    'address add 10.1.2.5/24 dev eth0',
    'address add fd01::5/64 dev eth0 nodad',
    'link set dev eth0 up',
    'route add 10.96.0.0/16 via 10.1.2.1 dev eth0',
    'route add 0.0.0.0/0 via 10.1.2.1 dev eth0',
    'route add ::/0 via fd01::1 dev eth0',
  ]);
});

test('a default route of the configuration is not doubled', () => {
  const own = parseBridgeConfig({ ...file, ipam: { ...file.ipam, routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.9' }] } });
  assert.deepEqual(routesFor(own, addresses), [
    { dst: '0.0.0.0/0', gw: '10.1.2.9' },
    { dst: '::/0', gw: 'fd01::1' },
  ]);
});

const observed = { bridgeMac: '0a:58:0a:01:02:01', hostMac: 'aa:aa:aa:aa:aa:aa', mtu: 1450 };

test('answers follow their version: families before 1.0, MTUs since 1.1', () => {
  const of = (cniVersion: string) => renderResult(parseBridgeConfig({ ...file, cniVersion }), attachment, observed);
  assert.deepEqual(of('1.0.0'), {
    cniVersion: '1.0.0',
    interfaces: [
      { name: 'br0', mac: '0a:58:0a:01:02:01' },
      { name: 'vethaaaaaaaaaaa', mac: 'aa:aa:aa:aa:aa:aa' },
      { name: 'eth0', mac: '0a:58:0a:01:02:05', sandbox: '/proc/7/ns/net' },
    ],
    ips: [
      { address: '10.1.2.5/24', gateway: '10.1.2.1', interface: 2 },
      { address: 'fd01::5/64', gateway: 'fd01::1', interface: 2 },
    ],
    routes: attachment.routes,
    dns: {},
  });
  assert.deepEqual(
    (of('0.4.0')['ips'] as { version: string }[]).map(({ version }) => version),
    ['4', '6'],
  );
  assert.deepEqual((of('1.1.0')['interfaces'] as object[])[0], { name: 'br0', mac: '0a:58:0a:01:02:01', mtu: 1450 });
});

const well: SeenAttachment = {
  bridge: {
    flags: ['UP'],
    mtu: 1450,
    addr_info: [
      { local: '10.1.2.1', prefixlen: 24 },
      { local: 'fd01::1', prefixlen: 64 },
    ],
  },
  host: { flags: ['UP'], mtu: 1450, master: 'br0' },
  pod: {
    flags: ['UP'],
    mtu: 1450,
    address: '0a:58:0a:01:02:05',
    addr_info: [
      { local: '10.1.2.5', prefixlen: 24 },
      { local: 'fd01::5', prefixlen: 64 },
    ],
  },
  routes: [
    { dst: 'default', gateway: '10.1.2.1' },
    { dst: 'default', gateway: 'fd01::1' },
    { dst: '10.96.0.0/16', gateway: '10.1.2.1' },
  ],
};

const checks: readonly [what: string, seen: SeenAttachment, found: readonly string[]][] = [
  ['all is well', well, []],
  ['the bridge is gone', { ...well, bridge: undefined }, ['link "br0" is not there']],
  [
    'the cable hangs elsewhere',
    { ...well, host: { flags: ['UP'], mtu: 1 } },
    ['link "vethaaaaaaaaaaa" is not a port of "br0"'],
  ],
  ['the pod is down', { ...well, pod: { ...well.pod, flags: [], mtu: 1450 } }, ['link "eth0" is down']],
  ['a route is gone', { ...well, routes: well.routes.slice(1) }, ['route to "0.0.0.0/0" via 10.1.2.1 is not there']],
];

for (const [what, seen, found] of checks) {
  test(`CHECK: ${what}`, () => assert.deepEqual(differences(config, attachment, seen), found));
}
