// Which endpoints answer: readiness, termination, policies, hints, affinity, and none at all.
import assert from 'node:assert/strict';
import type { Host } from '../net.ts';
import type { Scene } from '../scene.ts';

/** Who answers over some asks. */
async function answering(host: Host, ip: string, port: number, times = 12): Promise<string> {
  const names = new Set<string>();
  for (let at = 0; at < times; at++) names.add((await host.ask(ip, port, { timeoutMs: 3000 })).split(' ')[0] ?? '');
  return [...names].sort().join(' ');
}

export const choiceScenes: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'connections are spread over ready endpoints, and follow them': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA'), s.at('podB'), s.at('remote')]);
    assert.equal(await answering(s.net.node, s.vip, 80, 40), 'podA podB remote');
    await s.endpoints([s.at('podA'), s.at('podB', { ready: false }), s.at('remote', { ready: false })]);
    assert.equal(await answering(s.net.node, s.vip, 80), 'podA');
  },

  'endpoints that terminate serve only while no other is ready': async (s) => {
    await s.web({});
    const leaving = { ready: false, serving: true, terminating: true };
    await s.endpoints([s.at('podA', leaving), s.at('podB')]);
    assert.equal(await answering(s.net.node, s.vip, 80), 'podB');
    await s.endpoints([s.at('podA', leaving), s.at('podB', { ready: false })]);
    assert.equal(await answering(s.net.node, s.vip, 80), 'podA');
    await s.endpoints([s.at('podA', { ready: false, serving: false, terminating: true })]);
    await s.expect(s.net.node, s.vip, 80, 'ECONNREFUSED');
  },

  'without endpoints every address refuses at once': async (s) => {
    const status = { status: { loadBalancer: { ingress: [{ ip: s.loadBalancerIp }] } } };
    const ports = [
      { name: 't', port: 80, nodePort: 30080, protocol: 'TCP' as const },
      { name: 'u', port: 80, nodePort: 30080, protocol: 'UDP' as const },
    ];
    await s.web({ type: 'LoadBalancer', externalIPs: [s.externalIp], ports }, status);
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const host of [s.net.podA, s.net.node, s.net.world])
        await s.expect(host, s.vip, 80, 'ECONNREFUSED', { protocol });
      for (const host of [s.net.podA, s.net.world]) {
        await s.expect(host, s.externalIp, 80, 'ECONNREFUSED', { protocol });
        await s.expect(host, s.loadBalancerIp, 80, 'ECONNREFUSED', { protocol });
        await s.expect(host, s.addressOf('node'), 30080, 'ECONNREFUSED', { protocol });
      }
    }
    await s.endpoints([s.at('podA')], { ports: [{ name: 't', port: 8080 }] });
    await s.expect(s.net.world, s.externalIp, 80, 'podA');
  },

  'internal policy Local keeps to this node, or drops': async (s) => {
    await s.web({ internalTrafficPolicy: 'Local' });
    await s.endpoints([s.at('podA'), s.at('remote')]);
    assert.equal(await answering(s.net.podB, s.vip, 80), 'podA');
    await s.endpoints([s.at('remote')]);
    await s.expect(s.net.podB, s.vip, 80, 'timeout');
    await s.expect(s.net.node, s.vip, 80, 'timeout');
  },

  'external policy Local keeps the client’s address and this node’s endpoints': async (s) => {
    const status = { status: { loadBalancer: { ingress: [{ ip: s.loadBalancerIp }] } } };
    const ports = [{ port: 80, nodePort: 30080 }];
    await s.web({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports }, status);
    await s.endpoints([s.at('podA'), s.at('remote')]);
    assert.equal(await s.net.world.ask(s.addressOf('node'), 30080), `podA ${s.addressOf('world')}`);
    assert.equal(await s.net.world.ask(s.loadBalancerIp, 80), `podA ${s.addressOf('world')}`);
    assert.equal(await answering(s.net.world, s.loadBalancerIp, 80), 'podA');
    assert.equal(await answering(s.net.podB, s.loadBalancerIp, 80, 40), 'podA remote');
    await s.endpoints([s.at('remote')]);
    await s.expect(s.net.world, s.loadBalancerIp, 80, 'timeout');
    await s.expect(s.net.world, s.addressOf('node'), 30080, 'timeout');
    for (const host of [s.net.podB, s.net.node]) {
      await s.expect(host, s.loadBalancerIp, 80, 'remote');
      await s.expect(host, s.addressOf('node'), 30080, 'remote');
    }
    assert.equal(await s.net.podB.ask(s.loadBalancerIp, 80), `remote ${s.addressOf('podB')}`);
  },

  'hints keep traffic in the zone, or on the node, when all endpoints have them': async (s) => {
    s.set({ zone: 'east' });
    await s.web({});
    await s.endpoints([s.at('podA', { zones: ['east'] }), s.at('remote', { zones: ['west'] })]);
    assert.equal(await answering(s.net.node, s.vip, 80), 'podA');
    await s.endpoints([s.at('podA', { zones: ['east'] }), s.at('remote')]);
    assert.equal(await answering(s.net.node, s.vip, 80, 40), 'podA remote');
    await s.endpoints([
      s.at('podA', { zones: ['east'], nodes: ['node-2'] }),
      s.at('remote', { zones: ['east'], nodes: ['node-1'] }),
    ]);
    assert.equal(await answering(s.net.node, s.vip, 80), 'remote');
    s.set({ zone: undefined });
    await s.endpoints([s.at('podA', { zones: ['east'] }), s.at('remote', { zones: ['west'] })]);
    assert.equal(await answering(s.net.node, s.vip, 80, 40), 'podA remote');
  },

  'a client with affinity stays where it was, until its endpoint or the affinity goes': async (s) => {
    const spec = { type: 'NodePort' as const, ports: [{ port: 80, nodePort: 30080 }] };
    const all = [s.at('podA'), s.at('podB'), s.at('remote')];
    await s.web({ ...spec, sessionAffinity: 'ClientIP' });
    await s.endpoints(all);
    for (const host of [s.net.node, s.net.podA, s.net.podB]) {
      const first = await answering(host, s.vip, 80, 15);
      assert.equal(first.split(' ').length, 1, first);
    }
    const first = await answering(s.net.world, s.addressOf('node'), 30080, 15);
    assert.equal(first.split(' ').length, 1, first);
    await s.endpoints(all.filter(({ ip }) => ip !== s.addressOf(first as 'podA')));
    const second = await answering(s.net.world, s.addressOf('node'), 30080, 15);
    assert.equal(second.split(' ').length, 1, second);
    assert.notEqual(second, first);
    await s.web({ ...spec, sessionAffinity: 'None' });
    await s.endpoints(all);
    assert.equal(await answering(s.net.world, s.addressOf('node'), 30080, 40), 'podA podB remote');
  },

  'affinity is forgotten after its time': async (s) => {
    await s.web({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } } });
    await s.endpoints([s.at('podA'), s.at('podB'), s.at('remote')]);
    const names = new Set<string>();
    for (let at = 0; at < 20 && names.size < 2; at++) {
      names.add((await s.net.node.ask(s.vip, 80)).split(' ')[0] ?? '');
      await new Promise((resolve) => setTimeout(resolve, 2100));
    }
    assert.ok(names.size > 1, 'twenty draws of three never differed');
  },

  'affinity has room for more than a hundred clients': async (s) => {
    if (s.family === 6) return;
    await s.web({ sessionAffinity: 'ClientIP' });
    await s.endpoints([s.at('podA'), s.at('podB'), s.at('remote')]);
    const clients = Array.from({ length: 250 }, (_, at) => `198.18.0.${at + 1}`);
    for (const ip of clients) await s.net.world.run('ip', ['addr', 'replace', `${ip}/32`, 'dev', 'lo']);
    await s.net.node.run('ip', ['route', 'replace', '198.18.0.0/24', 'via', s.addressOf('world')]);
    const round = async (): Promise<string[]> => {
      const answers: string[] = [];
      for (const sourceIp of clients)
        answers.push((await s.net.world.ask(s.vip, 80, { sourceIp })).split(' ')[0] ?? '');
      return answers;
    };
    assert.deepEqual(await round(), await round());
  },

  'a long list of endpoints is walked in shares': async (s) => {
    await s.web({});
    const many = Array.from({ length: 70 }, (_, at) =>
      s.family === 4 ? `10.244.2.${at + 100}` : `fd00:10:244:2::${at + 100}`,
    );
    const flags = s.family === 4 ? ['/32'] : ['/128', 'nodad'];
    const address = (verb: string, ip: string): Promise<string> =>
      s.net.remote.run('ip', ['addr', verb, `${ip}${flags[0]}`, 'dev', 'eth0', ...flags.slice(1)]);
    for (const ip of many) await address('replace', ip);
    try {
      await s.endpoints([...many.slice(0, 69).map((ip) => ({ ip, node: 'node-2' })), s.at('podA')]);
      const chains = await s.iptables.chains('nat');
      assert.equal(chains.filter((chain) => chain.startsWith('KUBE-SHR-')).length, 3);
      assert.match(await answering(s.net.podB, s.vip, 80, 60), /remote$/);
    } finally {
      // With many addresses the host would choose any of them to answer from.
      for (const ip of many) await address('del', ip);
    }
  },
};
