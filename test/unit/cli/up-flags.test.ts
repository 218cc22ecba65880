import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { parseUpFlags, type UpFlags } from '../../../cli/up-flags.ts';

const typed: UpFlags = { dataDir: '/var/lib/nodelet', dockerHost: 'unix:///var/run/docker.sock' };

test('without flags everything lies below the data directory', () => {
  const { cgroupRoot, ...config } = parseUpFlags(typed);
  assert.match(cgroupRoot, /^\/nodelet-[0-9a-f]{8}$/);
  assert.deepEqual(config, {
    dataDir: '/var/lib/nodelet',
    dockerSocket: '/var/run/docker.sock',
    nodeName: hostname().toLowerCase(),
    nodeIp: undefined,
    apiPort: 6443,
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/16',
    cniBinDir: '/var/lib/nodelet/cni/bin',
    cniConfDir: '/var/lib/nodelet/cni/net.d',
  });
});

test('two data directories have two control group trees', () => {
  assert.notEqual(parseUpFlags(typed).cgroupRoot, parseUpFlags({ ...typed, dataDir: '/srv/other' }).cgroupRoot);
});

test('a flag that cannot be used is named, with its value and what it accepts', () => {
  const cases: readonly [Partial<UpFlags>, string][] = [
    [{ dataDir: 'here' }, '--data-dir "here" cannot be used: want an absolute path'],
    [{ dataDir: '/' }, '--data-dir "/" cannot be used: want a directory of its own'],
    [
      { dockerHost: 'tcp://1.2.3.4:2375' },
      '--docker-host "tcp://1.2.3.4:2375" cannot be used: want unix:// and an absolute path: pods need the engine of this machine',
    ],
    [{ nodeName: 'a_b' }, '--node-name "a_b" cannot be used: want a DNS name: lower-case letters, digits, "-" and "."'],
    [{ nodeIp: '010.0.0.1' }, '--node-ip "010.0.0.1" cannot be used: want an IPv4 address of this machine'],
    [{ apiPort: '70000' }, '--api-port "70000" cannot be used: want a port, 1 to 65535'],
    [
      { clusterCidr: '10.0.0.0/30' },
      '--cluster-cidr "10.0.0.0/30" cannot be used: want an IPv4 range of at least 256 addresses, such as 10.96.0.0/16',
    ],
    [
      { serviceCidr: 'fd00::/64' },
      '--service-cidr "fd00::/64" cannot be used: want an IPv4 range of at least 16 addresses, such as 10.96.0.0/16',
    ],
  ];
  for (const [flags, message] of cases) {
    assert.throws(() => parseUpFlags({ ...typed, ...flags }), { name: 'ConfigError', message });
  }
});
