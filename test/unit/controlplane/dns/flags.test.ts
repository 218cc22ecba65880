// The flags of `nodelet dns`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDnsConfig, privateNetworks } from '../../../../controlplane/dns/flags.ts';
import { formatCidr } from '../../../../host/cidr.ts';

const needed = ['--kubeconfig=/etc/dns.conf', '--bind-address=192.168.77.2'];

test('what is not said is what everybody expects', () => {
  const { networks, ...rest } = parseDnsConfig(needed);
  assert.deepEqual(networks.map(formatCidr).join(','), privateNetworks);
  assert.deepEqual(rest, {
    ...{ kubeconfig: '/etc/dns.conf', domain: 'cluster.local', address: '192.168.77.2', port: 10053 },
    ...{ clusterIp: undefined, nodeName: undefined, resolvConf: '/etc/resolv.conf' },
  });
});

const wrong: readonly [string[], RegExp][] = [
  [[], /--kubeconfig "" cannot be used/],
  [[...needed, '--bind-address=0.0.0.0'], /--bind-address "0\.0\.0\.0" cannot be used: want one IP address/],
  [[...needed, '--port=0'], /--port "0" cannot be used/],
  [[...needed, '--port=70000'], /--port "70000" cannot be used/],
  [[...needed, '--cluster-domain=a..b'], /--cluster-domain "a\.\.b" cannot be used/],
  [[...needed, '--cluster-dns=ten'], /--cluster-dns "ten" cannot be used/],
  [[...needed, '--resolv-conf=x'], /--resolv-conf "x" cannot be used/],
  [[...needed, '--allow-from=all'], /--allow-from "all" cannot be used: want ranges/],
  [[...needed, '--no-such-flag'], /Unknown option '--no-such-flag'.*want --kubeconfig/],
];

for (const [args, message] of wrong) {
  test(`refused: ${args.at(-1) ?? 'nothing given'}`, () =>
    assert.throws(() => parseDnsConfig(args), { name: 'ConfigError', message }));
}
