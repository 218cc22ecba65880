// Flags become a frozen configuration, or a sentence that names flag, value and what is accepted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, kubernetesServiceIp, parseControlPlaneConfig } from '../../../../controlplane/config/flags.ts';
import { formatCidr } from '../../../../host/cidr.ts';

test('without flags the defaults hold', () => {
  const { serviceCidrs, clusterBlocks, ...rest } = parseControlPlaneConfig([], '192.168.1.10');
  assert.deepEqual(rest, {
    dataDir: '/var/lib/nodelet',
    bindAddress: '0.0.0.0',
    advertiseAddress: '192.168.1.10',
    port: 6443,
    nodePorts: { first: 30000, last: 32767 },
    serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
    extraNames: [],
    nodeGraceMs: 50_000,
    disabled: new Set(),
  });
  assert.deepEqual(serviceCidrs.map(formatCidr), ['10.96.0.0/16']);
  assert.deepEqual(
    clusterBlocks.map(({ cidr, nodePrefix }) => [formatCidr(cidr), nodePrefix]),
    [['10.244.0.0/16', 24]],
  );
});

test('flags are read, both families too', () => {
  const args = [
    '--data-dir=/tmp/n/',
    '--bind-address=127.0.0.1',
    '--api-port=7443',
    '--service-cidr=10.0.0.0/24,fd00:1::/112',
    '--cluster-cidr=10.1.0.0/16,fd00:2::/48',
    '--node-cidr-mask-size=26',
    '--node-monitor-grace-period=1m30s',
    '--disable=scheduler,controllers',
    '--tls-san=api.example',
  ];
  const config = parseControlPlaneConfig(args, '192.168.1.10');
  assert.equal(config.dataDir, '/tmp/n');
  assert.equal(config.advertiseAddress, '127.0.0.1');
  assert.equal(config.port, 7443);
  assert.equal(kubernetesServiceIp(config), '10.0.0.1');
  assert.deepEqual(
    config.clusterBlocks.map(({ nodePrefix }) => nodePrefix),
    [26, 64],
  );
  assert.equal(config.nodeGraceMs, 90_000);
  assert.deepEqual(config.disabled, new Set(['scheduler', 'controllers']));
  assert.deepEqual(config.extraNames, ['api.example']);
  assert.ok(Object.isFrozen(config));
});

const refused: [string[], RegExp][] = [
  [['--data-dir=here'], /^--data-dir "here" cannot be used: want an absolute path$/],
  [['--secure-port=70000'], /^--secure-port "70000" cannot be used: want a port, 1 to 65535, or 0 for any free one$/],
  [['--service-cidr=10.96.0.0'], /^--service-cidr "10.96.0.0" cannot be used: want one range of at least 16 addresses/],
  [['--service-cidr=10.96.0.0/30'], /^--service-cidr "10.96.0.0\/30" cannot be used/],
  [
    ['--cluster-cidr=10.96.0.0/24'],
    /^--cluster-cidr "10.96.0.0\/24" cannot be used: want a range apart from --service-cidr/,
  ],
  [['--cluster-cidr=10.1.0.0/16,10.2.0.0/16'], /^--cluster-cidr "10.1.0.0\/16,10.2.0.0\/16" cannot be used/],
  [['--node-cidr-mask-size=8'], /^--node-cidr-mask-size "8" cannot be used: want a number from 16 to 30$/],
  [['--service-node-port-range=5-1'], /^--service-node-port-range "5-1" cannot be used: want two ports/],
  [['--advertise-address=me'], /^--advertise-address "me" cannot be used: want an IP address of this machine$/],
  [
    ['--node-monitor-grace-period=50'],
    /^--node-monitor-grace-period "50" cannot be used: want a time such as 50s or 1m30s$/,
  ],
  [['--disable=dns'], /^--disable "dns" cannot be used: want scheduler or controllers$/],
  [['--datastore=etcd'], /^Unknown option '--datastore'.*want --data-dir, --bind-address/],
];

for (const [args, message] of refused) {
  test(`${args.join(' ')} is refused`, () => {
    assert.throws(
      () => parseControlPlaneConfig(args, '192.168.1.10'),
      (error: unknown) => error instanceof ConfigError && message.test(error.message),
    );
  });
}
