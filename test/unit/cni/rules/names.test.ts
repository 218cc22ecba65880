import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CniCode } from '../../../../cni/model.ts';
import {
  checkEnvironment,
  hostIfName,
  leaseFileName,
  macOf,
  parseArgs,
  parseLeaseFileName,
} from '../../../../cni/rules/names.ts';

const key = { containerId: 'abc', ifName: 'eth0' };
const lease = { ...key, hostIfName: 'veth0123456789a', addresses: ['10.0.0.2', 'fd00::2'] };

test('a lease is a file name, and back', () => {
  assert.equal(leaseFileName(lease), 'veth0123456789a@10.0.0.2,fd00::2@eth0@abc');
  assert.deepEqual(parseLeaseFileName(leaseFileName(lease)), lease);
  assert.throws(() => leaseFileName({ ...lease, containerId: 'x'.repeat(300) }), { code: CniCode.InvalidEnvironment });
});

test('a file that is no lease is none, whatever it tries', () => {
  for (const name of [
    ...['last.0', '', 'x', 'veth0123456789a@10.0.0.2@eth0', 'veth0123456789a@10.0.0.02@eth0@abc'],
    ...['veth0123456789a@10.0.0.2@../x@abc', 'eth0@10.0.0.2@eth0@abc', 'veth0123456789a@@eth0@abc'],
  ]) {
    assert.equal(parseLeaseFileName(name), undefined, name);
  }
});

test('names of links fit, stay the same, and give way to those that are taken', () => {
  const name = hostIfName(key, () => false);
  assert.match(name, /^veth[a-z0-9]{11}$/);
  assert.equal(
    hostIfName(key, () => false),
    name,
  );
  assert.notEqual(
    hostIfName(key, (other) => other === name),
    name,
  );
  assert.notEqual(
    hostIfName({ ...key, ifName: 'eth1' }, () => false),
    name,
  );
});

test('a hardware address follows from the IPv4 address, else from the IPv6 one', () => {
  assert.equal(macOf([{ address: 'fd00::2' }, { address: '10.0.1.255' }]), '0a:58:0a:00:01:ff');
  assert.match(macOf([{ address: 'fd00::2' }]), /^0a(:[0-9a-f]{2}){5}$/);
});

test('CNI_ARGS are pairs', () => {
  assert.deepEqual(
    parseArgs('IgnoreUnknown=1;K8S_POD_NAME=a=b;;'),
    new Map([
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAME', 'a=b'],
    ]),
  );
  assert.throws(() => parseArgs('IP'), { code: CniCode.InvalidEnvironment });
});

const request = { command: 'ADD', containerId: 'abc', netns: '/proc/1/ns/net', ifName: 'eth0', args: '', config: {} };
const bad: readonly (readonly [what: string, request: object])[] = [
  ...['', '../x', 'a b', 'a;b', '-x', 'a@b'].map(
    (containerId) => [`container id "${containerId}"`, { containerId }] as const,
  ),
  ...['', 'a/b', '..', '0123456789abcdef', 'a b', 'a:b'].map(
    (ifName) => [`interface "${ifName}"`, { ifName }] as const,
  ),
  ...['', 'relative', '/a b', '/a"b', '/a\nb'].map((netns) => [`namespace "${netns}"`, { netns }] as const),
];

for (const [what, change] of bad) {
  test(`error 4: ${JSON.stringify(what)}`, () => {
    assert.throws(() => checkEnvironment({ ...request, ...change }), { code: CniCode.InvalidEnvironment });
  });
}

test('DEL may lack the namespace', () => checkEnvironment({ ...request, command: 'DEL', netns: '' }));
