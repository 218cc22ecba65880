import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CniCode, type CniError } from '../../../../cni/model.ts';
import { parseBridgeConfig } from '../../../../cni/rules/config.ts';

const least = {
  cniVersion: '1.0.0',
  name: 'pods',
  type: 'nodelet-bridge',
  ipam: { ranges: [[{ subnet: '10.1.2.0/24' }]] },
};
const withRange = (range: object) => ({ ...least, ipam: { ranges: [[range]] } });

test('the least configuration gets defaults, and every value is there', () => {
  assert.deepEqual(parseBridgeConfig(least), {
    cniVersion: '1.0.0',
    name: 'pods',
    bridge: 'nodelet0',
    isGateway: false,
    isDefaultGateway: false,
    hairpinMode: false,
    mtu: undefined,
    rangeSets: [
      [
        {
          subnet: { family: 4, first: 0x0a010200n, prefix: 24 },
          first: 0x0a010201n,
          last: 0x0a0102fen,
          gateway: 0x0a010201n,
        },
      ],
    ],
    routes: [],
    staticIps: [],
    dns: undefined,
    leaseDir: '/var/lib/cni/nodelet-bridge/pods',
    prevResult: undefined,
    validAttachments: undefined,
  });
});

test('what runtimes add on the way is read: ranges, addresses, attachments; a default gateway is a gateway', () => {
  const config = parseBridgeConfig({
    ...least,
    isDefaultGateway: true,
    mtu: 0,
    capabilities: { ipRanges: true },
    runtimeConfig: {
      ipRanges: [[{ subnet: '10.9.0.0/30' }], [{ subnet: 'FD00::/64', gateway: 'fd00::0:fe' }]],
      ips: ['10.9.0.2/30'],
    },
    args: { cni: { ips: ['10.9.0.3'] } },
    'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }],
    prevResult: { ips: [] },
  });
  assert.deepEqual(
    config.rangeSets.map(([{ first, last, gateway }]) => [first, last, gateway]),
    [
      [0x0a090001n, 0x0a090002n, 0x0a090001n],
      [0xfd000000000000000000000000000001n, 0xfd00000000000000ffffffffffffffffn, 0xfd0000000000000000000000000000fen],
    ],
  );
  assert.deepEqual(
    [config.isGateway, config.staticIps, config.mtu, config.validAttachments, config.prevResult],
    [true, ['10.9.0.2'], undefined, [{ containerId: 'a', ifName: 'eth0' }], { ips: [] }],
  );
});

const refused: readonly [what: string, config: unknown, code: CniCode, words: string][] = [
  ['no object', [], CniCode.InvalidConfig, 'field "(whole)" is [], expected an object'],
  ['a version of yesterday', { ...least, cniVersion: '0.2.0' }, CniCode.IncompatibleVersion, '"0.2.0"'],
  ['no version', { ...least, cniVersion: undefined }, CniCode.IncompatibleVersion, '"0.1.0"'],
  ['a typo', { ...least, hairpinmode: true }, CniCode.InvalidConfig, 'field "hairpinmode" is true'],
  ['a typo in ipam', { ...least, ipam: { range: [] } }, CniCode.InvalidConfig, 'field "ipam.range"'],
  ['another allocator', { ...least, ipam: { type: 'host-local' } }, CniCode.InvalidConfig, 'field "ipam.type"'],
  ['no ipam', { ...least, ipam: undefined }, CniCode.InvalidConfig, 'field "ipam" is nothing'],
  ['masquerading', { ...least, ipMasq: true }, CniCode.InvalidConfig, 'field "ipMasq" is true, expected false'],
  ['a promiscuous bridge', { ...least, promiscMode: true }, CniCode.InvalidConfig, 'field "promiscMode"'],
  ['a text for a truth', { ...least, isGateway: 'yes' }, CniCode.InvalidConfig, 'field "isGateway" is "yes"'],
  ['a network that climbs', { ...least, name: '../x' }, CniCode.InvalidConfig, 'field "name" is "../x"'],
  ['a bridge that is two words', { ...least, bridge: 'a b' }, CniCode.InvalidConfig, 'field "bridge" is "a b"'],
  ['a long bridge', { ...least, bridge: 'b23456789012345x' }, CniCode.InvalidConfig, 'at most 15'],
  [
    'an MTU of no packet',
    { ...least, mtu: 67 },
    CniCode.InvalidConfig,
    'field "mtu" is 67, expected a whole number from 68',
  ],
  ['a relative directory', { ...least, ipam: { ...least.ipam, dataDir: 'x' } }, CniCode.InvalidConfig, 'ipam.dataDir'],
  ['no range', { ...least, ipam: { ranges: [] } }, CniCode.InvalidConfig, 'field "ipam.ranges" is []'],
  ['an empty set', { ...least, ipam: { ranges: [[]] } }, CniCode.InvalidConfig, 'field "ipam.ranges[0]" is []'],
  ['no subnet', withRange({}), CniCode.InvalidConfig, 'field "ipam.ranges[0][0].subnet" is nothing'],
  ['a subnet for nobody', withRange({ subnet: '10.0.0.0/31' }), CniCode.InvalidConfig, 'room for a gateway'],
  [
    'a start outside',
    withRange({ subnet: '10.0.0.0/24', rangeStart: '10.0.1.1' }),
    CniCode.InvalidConfig,
    'rangeStart',
  ],
  ['the broadcast', withRange({ subnet: '10.0.0.0/24', rangeEnd: '10.0.0.255' }), CniCode.InvalidConfig, 'rangeEnd'],
  [
    'an end before',
    withRange({ subnet: '10.0.0.0/24', rangeStart: '10.0.0.9', rangeEnd: '10.0.0.8' }),
    CniCode.InvalidConfig,
    'rangeEnd',
  ],
  [
    'two families',
    { ...least, ipam: { ranges: [[{ subnet: '10.0.0.0/24' }, { subnet: 'fd00::/64' }]] } },
    CniCode.InvalidConfig,
    'one family',
  ],
  [
    'an overlap',
    { ...least, ipam: { ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.0.0/25' }]] } },
    CniCode.InvalidConfig,
    'not overlap',
  ],
  [
    'a route to nowhere',
    { ...least, ipam: { ...least.ipam, routes: [{ dst: 'x' }] } },
    CniCode.InvalidConfig,
    'ipam.routes[0].dst',
  ],
  [
    'a mixed route',
    { ...least, ipam: { ...least.ipam, routes: [{ dst: '::/0', gw: '10.0.0.1' }] } },
    CniCode.InvalidConfig,
    'ipam.routes[0].gw',
  ],
  [
    'an odd address',
    { ...least, runtimeConfig: { ips: ['10.0.0.1; reboot'] } },
    CniCode.InvalidConfig,
    'runtimeConfig.ips[0]',
  ],
];

for (const [what, config, code, words] of refused) {
  test(`refused by name: ${what}`, () => {
    assert.throws(
      () => parseBridgeConfig(config),
      (error: CniError) => {
        assert.equal(error.code, code);
        assert.ok(error.message.includes(words), error.message);
        return true;
      },
    );
  });
}
