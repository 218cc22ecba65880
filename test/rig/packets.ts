// Real packets through real rules: every line that a Service can say, asked from a pod, the node, another node and the world.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Backend, createIptables } from '../../host/iptables.ts';
import { silentLog } from '../../host/log.ts';
import type { Service } from '../../kube/types.ts';
import type { Family, NodeFacts } from '../../proxy/model.ts';
import { createProxier, type Proxier } from '../../proxy/proxier.ts';
import { type EndpointParts, type SliceParts, service, slice } from '../builders/service.ts';
import { createFakeCluster, type FakeCluster } from '../fakes/cluster-view.ts';
import { addresses, createTestNet, type TestNet } from './net.ts';

const vip = { 4: '10.96.0.10', 6: 'fd00:10:96::a' } as const;
const cidr = { 4: '10.244.1.0/24', 6: 'fd00:10:244:1::/64' } as const;

function factsOf(family: Family): NodeFacts {
  return {
    family,
    nodeName: 'node-1',
    zone: undefined,
    nodeIp: addresses.node[family],
    masqueradeBit: 14,
    masqueradeAll: false,
    detector: { ifLocal: `-s ${cidr[family]}`, ifNotLocal: `! -s ${cidr[family]}` },
    nodePortAddresses: undefined,
    localhostNodePorts: family === 4,
    dropInvalid: true,
    affinity: 'recent',
  };
}

const ofPod = (family: Family, pod: 'podA' | 'podB' | 'remote'): EndpointParts => ({
  ip: addresses[pod][family],
  node: pod === 'remote' ? 'node-2' : 'node-1',
});

/** The whole suite on one backend, in the machine that test/run.ts made. */
export function packetSuite(backend: Backend): void {
  let net: TestNet;
  let cluster: FakeCluster;
  let facts: NodeFacts;
  let proxier: Proxier;
  const signal = AbortSignal.timeout(170_000);

  before(async () => {
    net = await createTestNet();
    for (const host of [net.podA, net.podB, net.remote, net.node])
      for (const port of [8080, 9090]) for (const protocol of ['tcp', 'udp'] as const) await host.serve(protocol, port);
  });
  after(() => net.remove());

  const start = (family: Family): void => {
    cluster = createFakeCluster();
    facts = factsOf(family);
    const iptables = createIptables(family, backend);
    proxier = createProxier({ view: cluster, iptables, facts: () => facts, log: silentLog, onRefused: () => {} });
    cluster.onChange((key) => proxier.touch(key));
  };
  const sync = () => proxier.sync(signal);

  for (const family of [4, 6] as const) {
    const name = `IPv${family}`;
    const ip = vip[family];
    const families: Partial<Service['spec']> = {
      ipFamilies: [family === 4 ? 'IPv4' : 'IPv6'],
      clusterIPs: [ip],
      clusterIP: ip,
    };

    test(`${name}: a ClusterIP answers pods, the node and other hosts, over TCP and UDP`, async () => {
      start(family);
      cluster.put(
        service({
          name: 'web',
          spec: {
            ...families,
            ports: [
              { name: 't', port: 80, protocol: 'TCP' },
              { name: 'u', port: 80, protocol: 'UDP' },
            ],
          },
        }),
      );
      const ports: SliceParts['ports'] = [
        { name: 't', port: 8080 },
        { name: 'u', port: 9090, protocol: 'UDP' },
      ];
      cluster.putSlice(slice({ service: 'web', family, ports, endpoints: [ofPod(family, 'remote')] }));
      await sync();
      const bridge = { 4: '172.16.0.1', 6: 'fd16::1' }[family];
      for (const protocol of ['tcp', 'udp'] as const) {
        assert.equal(await net.podA.ask(ip, 80, { protocol }), `remote ${addresses.podA[family]}`, protocol);
        assert.equal(await net.node.ask(ip, 80, { protocol }), `remote ${bridge}`, protocol);
        assert.equal(await net.world.ask(ip, 80, { protocol }), `remote ${bridge}`, protocol);
      }
    });

    test(`${name}: a nodePort answers on every address of the node`, async () => {
      start(family);
      cluster.put(
        service({ name: 'web', spec: { ...families, type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] } }),
      );
      cluster.putSlice(slice({ service: 'web', family, endpoints: [ofPod(family, 'podA')] }));
      await sync();
      const seen = addresses.bridge[family];
      assert.equal(await net.world.ask(addresses.node[family], 30080), `podA ${seen}`);
      assert.equal(await net.podB.ask(addresses.node[family], 30080), `podA ${seen}`);
      assert.equal(await net.node.ask(addresses.node[family], 30080), `podA ${seen}`);
      assert.equal(await net.podA.ask(addresses.node[family], 30080), `podA ${seen}`);
      cluster.remove('default/web');
      await sync();
      assert.equal(await net.world.ask(addresses.node[family], 30080), 'ECONNREFUSED');
    });

    test(`${name}: a pod reaches itself through its Service`, async () => {
      start(family);
      cluster.put(service({ name: 'web', spec: families }));
      cluster.putSlice(slice({ service: 'web', family, endpoints: [ofPod(family, 'podA')] }));
      await sync();
      assert.equal(await net.podA.ask(ip, 80), `podA ${addresses.bridge[family]}`);
      assert.equal(await net.podB.ask(ip, 80), `podA ${addresses.podB[family]}`);
    });
  }
}
