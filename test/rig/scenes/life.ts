// The proxy among others and over time: restarts, flushes, foreign rules, bad objects, old flows.
import assert from 'node:assert/strict';
import { cleanFlows } from '../../../proxy/conntrack/clean.ts';
import { createFlushWatch } from '../../../proxy/iptables/flush.ts';
import { service, slice } from '../../builders/service.ts';
import type { Scene } from '../scene.ts';

async function saved(s: Scene, table: string): Promise<string> {
  const tool = `${s.family === 4 ? 'iptables' : 'ip6tables'}-${s.iptables.backend}-save`;
  return (await s.net.node.run(tool, ['-t', table])).replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '');
}

export const lifeScenes: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'a restart adopts the rules without a moment of silence': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    const before = await saved(s, 'nat');
    s.restart();
    let isOver = false;
    const asking = (async () => {
      const answers = new Set<string>();
      while (!isOver) answers.add((await s.net.podB.ask(s.vip, 80)).split(' ')[0] ?? '');
      return [...answers];
    })();
    for (let at = 0; at < 5; at++) {
      const { isFull } = await s.sync();
      assert.equal(isFull, true);
      s.restart();
    }
    isOver = true;
    assert.deepEqual(await asking, ['podA']);
    assert.equal(await saved(s, 'nat'), before);
  },

  'a restart removes what is no longer wanted': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    s.cluster.remove('default/web');
    s.restart();
    await s.sync();
    const chains = await s.iptables.chains('nat');
    assert.deepEqual(
      chains.filter((chain) => /^KUBE-(SVC|VIP|SEP|PIN)-/.test(chain)),
      [],
    );
  },

  'a quiet sync writes nothing, a change of endpoints writes one chain': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA'), s.at('remote')]);
    assert.deepEqual((await s.sync()).written, { filter: 0, nat: 0 });
    s.cluster.putSlice(slice({ service: 'web', family: s.family, endpoints: [s.at('podA')] }));
    assert.deepEqual((await s.sync()).written, { filter: 0, nat: 1 });
  },

  'flushed tables are noticed and written again': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    const tool = `${s.family === 4 ? 'iptables' : 'ip6tables'}-${s.iptables.backend}`;
    for (const table of ['nat', 'filter', 'mangle']) {
      await s.net.node.run(tool, ['-t', table, '-F']);
      await s.net.node.run(tool, ['-t', table, '-X']);
      const { missing } = await createFlushWatch(s.iptables, Date.now).look();
      assert.ok(missing, table);
      s.forget();
      await s.sync();
      assert.equal((await createFlushWatch(s.iptables, Date.now).look()).missing, undefined);
      await s.expect(s.net.podB, s.vip, 80, 'podA');
    }
  },

  'rules of others stay, and cleaning up leaves exactly them': async (s) => {
    const tool = `${s.family === 4 ? 'iptables' : 'ip6tables'}-${s.iptables.backend}`;
    const foreign = [
      ['-t', 'nat', '-N', 'DOCKER'],
      ['-t', 'nat', '-A', 'PREROUTING', '-m', 'addrtype', '--dst-type', 'LOCAL', '-j', 'DOCKER'],
      ['-t', 'nat', '-N', 'KUBE-MARK-DROP'],
      ['-t', 'filter', '-N', 'DOCKER-USER'],
      ['-t', 'filter', '-A', 'FORWARD', '-j', 'DOCKER-USER'],
    ];
    await s.end();
    for (const words of foreign) await s.net.node.run(tool, words);
    const before = [await saved(s, 'nat'), await saved(s, 'filter')];
    s.restart();
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }], sessionAffinity: 'ClientIP' });
    await s.endpoints([s.at('podA'), s.at('remote')]);
    assert.match(await saved(s, 'nat'), /-j DOCKER\n/);
    await s.end();
    assert.deepEqual([await saved(s, 'nat'), await saved(s, 'filter')], before);
    assert.doesNotMatch(await s.net.node.run('ipset', ['list', '-n']), /KUBE/);
    for (const words of foreign.toReversed())
      await s.net.node.run(
        tool,
        words.map((word) => (word === '-N' ? '-X' : word === '-A' ? '-D' : word)),
      );
    s.restart();
    await s.sync();
  },

  'a rule that iptables refuses costs its Service alone': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    const other = s.family === 4 ? '10.96.0.11' : 'fd00:10:96::b';
    const families = { ipFamilies: [s.family === 4 ? 'IPv4' : 'IPv6'] as ('IPv4' | 'IPv6')[], clusterIPs: [other] };
    s.spoil(`-d ${other}/${s.family === 4 ? 32 : 128} -p tcp`);
    s.cluster.put(service({ name: 'other', spec: { ...families, clusterIP: other } }));
    s.cluster.putSlice(slice({ service: 'other', family: s.family, endpoints: [s.at('podB')] }));
    s.restart();
    await s.sync();
    assert.deepEqual(s.refused, ['default/other']);
    await s.expect(s.net.podB, s.vip, 80, 'podA');
    assert.deepEqual((await s.sync()).written, { filter: 0, nat: 0 });
  },

  'neighbours cannot reach what listens on 127.0.0.1': async (s) => {
    if (s.family === 6) return;
    await s.sync();
    const { world, node } = s.net;
    await node.serve('tcp', 7070).catch(() => {});
    await world.run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet']);
    await world.run('ip', ['addr', 'del', '127.0.0.1/8', 'dev', 'lo']);
    await world.run('ip', ['route', 'replace', '127.0.0.1/32', 'via', s.addressOf('node')]);
    const ask = () => world.ask('127.0.0.1', 7070, { timeoutMs: 700, sourceIp: s.addressOf('world') });
    try {
      assert.equal(await ask(), 'timeout');
      await s.end();
      assert.match(await ask(), /^node /, 'it is the guard that stops them');
    } finally {
      await world.run('ip', ['route', 'del', '127.0.0.1/32']);
      await world.run('ip', ['addr', 'add', '127.0.0.1/8', 'dev', 'lo']);
    }
  },

  'a FORWARD policy of DROP does not stop nodePorts': async (s) => {
    const tool = `${s.family === 4 ? 'iptables' : 'ip6tables'}-${s.iptables.backend}`;
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    await s.endpoints([s.at('podA')]);
    await s.net.node.run(tool, ['-P', 'FORWARD', 'DROP']);
    try {
      await s.expect(s.net.world, s.addressOf('node'), 30080, 'podA');
      await s.expect(s.net.world, s.addressOf('podA'), 8080, 'timeout');
    } finally {
      await s.net.node.run(tool, ['-P', 'FORWARD', 'ACCEPT']);
    }
  },

  'other bits of a packet’s mark survive': async (s) => {
    const tool = `${s.family === 4 ? 'iptables' : 'ip6tables'}-${s.iptables.backend}`;
    const count = ['-t', 'mangle', '-A', 'POSTROUTING', '-m', 'mark', '--mark', '0x1', '-j', 'ACCEPT'];
    await s.net.node.run(tool, ['-t', 'mangle', '-I', 'PREROUTING', '-i', 'eth0', '-j', 'MARK', '--set-mark', '0x1']);
    await s.net.node.run(tool, count);
    await s.web({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    await s.endpoints([s.at('podA')]);
    await s.expect(s.net.world, s.addressOf('node'), 30080, 'podA');
    const chain = await s.net.node.run(tool, ['-t', 'nat', '-S', 'KUBE-MARK-MASQ']);
    assert.match(chain, /0x4000/);
    await s.net.node.run(tool, ['-t', 'mangle', '-F']);
  },

  'what an attacker writes into objects never becomes a rule, and hurts nobody else': async (s) => {
    await s.web({});
    await s.endpoints([s.at('podA')]);
    const nasty = '1.2.3.4/32 -j ACCEPT\n-A FORWARD -j ACCEPT';
    const spec = {
      clusterIP: s.family === 4 ? '10.96.7.7' : 'fd00:10:96::77',
      externalIPs: [nasty, '127.0.0.1', '::1', '0.0.0.0', '169.254.169.254'],
      type: 'LoadBalancer' as const,
      loadBalancerSourceRanges: [nasty, '"', '10.0.0.0/99'],
      ports: [{ name: '"\n-j ACCEPT', port: 80, protocol: 'TCP' as const, nodePort: 30099 }],
    };
    s.cluster.put(service({ namespace: 'x"\n', name: `${'y'.repeat(300)} -j DROP`, spec }));
    s.cluster.put(service({ name: 'bad-ports', spec: { ...spec, ports: [{ port: 100_000 }, { port: -1 }] } }));
    const before = await saved(s, 'filter');
    await s.sync();
    assert.deepEqual(s.refused, []);
    assert.doesNotMatch(await saved(s, 'filter'), /-A FORWARD -j ACCEPT/);
    assert.ok(before);
    await s.expect(s.net.podB, s.vip, 80, 'podA');
  },

  'a UDP client with one source port follows its Service to the next endpoint': async (s) => {
    const ports = [{ port: 53, protocol: 'UDP' as const, nodePort: 30053 }];
    const slicePorts = [{ port: 9090, protocol: 'UDP' as const }];
    const options = { protocol: 'udp', sourcePort: 45_000 } as const;
    const clean = async ({
      before,
      after,
    }: { before: readonly never[]; after: readonly never[] } | Awaited<ReturnType<Scene['sync']>>) =>
      cleanFlows({ family: s.family, frontends: after, gone: before, hostAddresses: new Set([s.addressOf('node')]) });
    await s.web({ type: 'NodePort', ports });
    await s.endpoints([s.at('podA')], { ports: slicePorts });
    await s.expect(s.net.podB, s.vip, 53, 'podA', options);
    await s.expect(s.net.world, s.addressOf('node'), 30053, 'podA', options);
    s.cluster.putSlice(slice({ service: 'web', family: s.family, endpoints: [s.at('remote')], ports: slicePorts }));
    assert.ok((await clean(await s.sync())) >= 2);
    await s.expect(s.net.podB, s.vip, 53, 'remote', options);
    await s.expect(s.net.world, s.addressOf('node'), 30053, 'remote', options);
  },

  'UDP sent before there were rules finds its way afterwards': async (s) => {
    const options = { protocol: 'udp', sourcePort: 45_001, timeoutMs: 300 } as const;
    await s.net.podB.ask(s.vip, 53, options);
    await s.web({ ports: [{ port: 53, protocol: 'UDP' }] });
    s.cluster.putSlice(
      slice({ service: 'web', family: s.family, endpoints: [s.at('podA')], ports: [{ port: 9090, protocol: 'UDP' }] }),
    );
    const { after } = await s.sync();
    await cleanFlows({ family: s.family, frontends: after, gone: [], hostAddresses: new Set() });
    await s.expect(s.net.podB, s.vip, 53, 'podA', { ...options, timeoutMs: 3000 });
  },
};
