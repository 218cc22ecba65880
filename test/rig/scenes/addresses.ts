// Under which addresses a Service answers, and whom the endpoint sees.
import assert from 'node:assert/strict';
import type { Scene } from '../scene.ts';

export const addressScenes: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'a ClusterIP answers pods, the node and other hosts, over TCP and UDP': async (s) => {
    await s.web({
      ports: [
        { name: 't', port: 80, protocol: 'TCP' },
        { name: 'u', port: 80, protocol: 'UDP' },
      ],
    });
    const ports = [
      { name: 't', port: 8080 },
      { name: 'u', port: 9090, protocol: 'UDP' as const },
    ];
    await s.endpoints([s.at('remote')], { ports });
    const node = s.family === 4 ? '172.16.0.1' : 'fd16::1';
    for (const protocol of ['tcp', 'udp'] as const) {
      assert.equal(await s.net.podA.ask(s.vip, 80, { protocol }), `remote ${s.addressOf('podA')}`, protocol);
      assert.equal(await s.net.node.ask(s.vip, 80, { protocol }), `remote ${node}`, protocol);
      assert.equal(await s.net.world.ask(s.vip, 80, { protocol }), `remote ${node}`, protocol);
    }
  },

  'ports of one Service lead to the ports that carry their names': async (s) => {
    await s.web({
      ports: [
        { name: 'a', port: 80, protocol: 'TCP' },
        { name: 'b', port: 81, protocol: 'TCP' },
      ],
    });
    await s.endpoints([s.at('podA')], { ports: [{ name: 'a', port: 8080 }] });
    await s.endpoints([s.at('podB')], { name: 'web-2', ports: [{ name: 'b', port: 9090 }] });
    await s.expect(s.net.node, s.vip, 80, 'podA');
    await s.expect(s.net.node, s.vip, 81, 'podB');
  },

  'a nodePort answers on every address of the node, and not when its Service is gone': async (s) => {
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    await s.endpoints([s.at('podA')]);
    const seen = `podA ${s.addressOf('bridge')}`;
    for (const host of [s.net.world, s.net.podB, s.net.podA, s.net.node])
      assert.equal(await host.ask(s.addressOf('node'), 30080), seen, host.name);
    assert.equal(await s.net.podB.ask(s.addressOf('bridge'), 30080), seen);
    s.cluster.remove('default/web');
    await s.sync();
    await s.expect(s.net.world, s.addressOf('node'), 30080, 'ECONNREFUSED');
  },

  'nodePorts may be kept to some addresses of the node': async (s) => {
    s.set({ nodePortAddresses: [s.addressOf('node')] });
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.world, s.addressOf('node'), 30080, 'podA');
    await s.expect(s.net.podB, s.addressOf('bridge'), 30080, 'ECONNREFUSED');
  },

  'a nodePort answers on 127.0.0.1 for the node itself, where it is wanted': async (s) => {
    if (s.family === 6) return;
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.node, '127.0.0.1', 30080, 'podA');
    s.set({ localhostNodePorts: false });
    await s.sync();
    await s.expect(s.net.node, '127.0.0.1', 30080, 'ECONNREFUSED');
  },

  'an external address answers the world, pods and the node': async (s) => {
    await s.web({ externalIPs: [s.externalIp] });
    await s.endpoints([s.at('podA')]);
    for (const host of [s.net.world, s.net.podB, s.net.node]) await s.expect(host, s.externalIp, 80, 'podA');
  },

  'an address that a Service names wins over a nodePort of the same number': async (s) => {
    await s.web({ externalIPs: [s.addressOf('node')], ports: [{ port: 30080 }] });
    await s.endpoints([s.at('podA')]);
    const { service, slice } = await import('../../builders/service.ts');
    const other = s.family === 4 ? '10.96.0.11' : 'fd00:10:96::b';
    const families = { ipFamilies: [s.family === 4 ? 'IPv4' : 'IPv6'] as ('IPv4' | 'IPv6')[], clusterIPs: [other] };
    const spec = { ...families, clusterIP: other, type: 'NodePort' as const, ports: [{ port: 80, nodePort: 30080 }] };
    s.cluster.put(service({ name: 'other', spec }));
    s.cluster.putSlice(slice({ service: 'other', family: s.family, endpoints: [s.at('podB')] }));
    await s.sync();
    await s.expect(s.net.world, s.addressOf('node'), 30080, 'podA');
    await s.expect(s.net.podA, s.addressOf('bridge'), 30080, 'podB');
  },

  'a load balancer address answers, unless traffic to it is proxied elsewhere': async (s) => {
    const ingress = (ipMode: 'VIP' | 'Proxy') => ({
      status: { loadBalancer: { ingress: [{ ip: s.loadBalancerIp, ipMode }, { hostname: 'lb.example' }] } },
    });
    await s.web({ type: 'LoadBalancer' }, ingress('VIP'));
    await s.endpoints([s.at('podA')]);
    for (const host of [s.net.world, s.net.podB, s.net.node]) await s.expect(host, s.loadBalancerIp, 80, 'podA');
    await s.web({ type: 'LoadBalancer' }, ingress('Proxy'));
    assert.notEqual((await s.net.podB.ask(s.loadBalancerIp, 80, { timeoutMs: 700 })).split(' ')[0], 'podA');
  },

  'source ranges keep strangers from the load balancer address, and from nothing else': async (s) => {
    const status = { status: { loadBalancer: { ingress: [{ ip: s.loadBalancerIp }] } } };
    const ports = [{ port: 80, nodePort: 30080 }];
    const width = s.family === 4 ? 32 : 128;
    await s.web(
      { type: 'LoadBalancer', ports, loadBalancerSourceRanges: [`${s.addressOf('world')}/${width}`] },
      status,
    );
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.world, s.loadBalancerIp, 80, 'podA');
    await s.expect(s.net.podB, s.loadBalancerIp, 80, 'timeout');
    await s.expect(s.net.node, s.loadBalancerIp, 80, 'timeout');
    await s.expect(s.net.podB, s.vip, 80, 'podA');
    await s.expect(s.net.podB, s.addressOf('node'), 30080, 'podA');
    const all = s.family === 4 ? '0.0.0.0/0' : '::/0';
    await s.web({ type: 'LoadBalancer', ports, loadBalancerSourceRanges: [all] }, status);
    await s.expect(s.net.podB, s.loadBalancerIp, 80, 'podA');
  },

  'the node may use a load balancer address whose ranges name it': async (s) => {
    const status = { status: { loadBalancer: { ingress: [{ ip: s.loadBalancerIp }] } } };
    const width = s.family === 4 ? 32 : 128;
    await s.web({ type: 'LoadBalancer', loadBalancerSourceRanges: [`${s.addressOf('node')}/${width}`] }, status);
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.node, s.loadBalancerIp, 80, 'podA');
    await s.expect(s.net.world, s.loadBalancerIp, 80, 'timeout');
  },

  'a pod reaches itself through its Service': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    assert.equal(await s.net.podA.ask(s.vip, 80), `podA ${s.addressOf('bridge')}`);
    assert.equal(await s.net.podB.ask(s.vip, 80), `podA ${s.addressOf('podB')}`);
  },

  'masquerade-all hides pods too, and a bridge may tell who is a pod': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    s.set({ masqueradeAll: true });
    await s.sync();
    assert.equal(await s.net.podB.ask(s.vip, 80), `podA ${s.addressOf('bridge')}`);
    for (const match of ['-i br0', '-i br+']) {
      s.set({ masqueradeAll: false, detector: { ifLocal: match, ifNotLocal: `! ${match}` } });
      await s.sync();
      assert.equal(await s.net.podB.ask(s.vip, 80), `podA ${s.addressOf('podB')}`);
      assert.equal(await s.net.world.ask(s.vip, 80), `podA ${s.addressOf('bridge')}`);
    }
    s.set({ detector: undefined });
    await s.sync();
    assert.equal(await s.net.world.ask(s.vip, 80), `podA ${s.addressOf('world')}`);
  },

  'a Service that is headless, external by name, or another proxy’s has no rules': async (s) => {
    const { service } = await import('../../builders/service.ts');
    await s.web({});
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.podB, s.vip, 80, 'podA');
    const label = 'service.kubernetes.io/service-proxy-name';
    const families = {
      clusterIP: s.vip,
      clusterIPs: [s.vip],
      ipFamilies: [s.family === 4 ? 'IPv4' : 'IPv6'] as ('IPv4' | 'IPv6')[],
    };
    const variants = [
      service({ name: 'web', spec: families, labels: { [label]: '' } }),
      service({ name: 'web', spec: { clusterIP: 'None' } }),
      service({ name: 'web', spec: { ...families, type: 'ExternalName', externalName: 'example.org' } }),
    ];
    for (const variant of variants) {
      s.cluster.put(variant);
      const { total } = await s.sync();
      const answer = await s.net.podB.ask(s.vip, 80, { timeoutMs: 300 });
      assert.notEqual(answer.split(' ')[0], 'podA');
      await s.web({});
      await s.expect(s.net.podB, s.vip, 80, 'podA');
      assert.ok(total.nat > 0);
    }
  },
};
