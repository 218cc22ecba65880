// One proxier in the suite's machine, with a cluster in memory: put Services in, sync, and ask from any host.
import assert from 'node:assert/strict';
import { type Backend, createIptables, type Iptables } from '../../host/iptables.ts';
import { silentLog } from '../../host/log.ts';
import type { Service } from '../../kube/types.ts';
import { createAffinitySets, hasSets } from '../../proxy/iptables/affinity-sets.ts';
import { cleanUpRules } from '../../proxy/iptables/cleanup.ts';
import type { Family, NodeFacts } from '../../proxy/model.ts';
import { createProxier, type Proxier, type SyncReport } from '../../proxy/proxier.ts';
import { type EndpointParts, type SliceParts, service, slice } from '../builders/service.ts';
import { createFakeCluster, type FakeCluster } from '../fakes/cluster-view.ts';
import { type AskOptions, addresses, type Host, type TestNet } from './net.ts';

export type Pod = 'podA' | 'podB' | 'remote';

export interface Scene {
  readonly family: Family;
  readonly net: TestNet;
  readonly cluster: FakeCluster;
  readonly iptables: Iptables;
  readonly vip: string;
  readonly externalIp: string;
  readonly loadBalancerIp: string;
  /** Services that iptables refused. */
  readonly refused: string[];
  /** Changes what the node is, for the next sync. */
  set(facts: Partial<NodeFacts>): void;
  /** Starts a proxier that knows nothing, as after a crash. */
  restart(): void;
  sync(): Promise<SyncReport>;
  forget(): void;
  /** From now on, rules with this text reach iptables as rules that it does not take. */
  spoil(text: string): void;
  /** Puts Service "web" with these fields and syncs. */
  web(spec: Partial<Service['spec']>, more?: Pick<Service, 'status'>): Promise<void>;
  /** Puts the endpoints of "web" and syncs. */
  endpoints(endpoints: readonly EndpointParts[], more?: Partial<SliceParts>): Promise<void>;
  at(pod: Pod, more?: Partial<EndpointParts>): EndpointParts;
  addressOf(host: keyof typeof addresses): string;
  /** Asks and compares the name of who answered. */
  expect(host: Host, ip: string, port: number, who: string, options?: AskOptions): Promise<void>;
  /** Removes all rules of this scene. */
  end(): Promise<void>;
}

const vips = {
  vip: { 4: '10.96.0.10', 6: 'fd00:10:96::a' },
  externalIp: { 4: '203.0.113.10', 6: '2001:db8::10' },
  loadBalancerIp: { 4: '203.0.113.20', 6: '2001:db8::20' },
} as const;
const podRange = { 4: '10.244.1.0/24', 6: 'fd00:10:244:1::/64' } as const;

/** Longer than any local answer takes, short enough to wait for silence often. */
const silenceMs = 700;

function factsOf(family: Family): NodeFacts {
  return {
    family,
    nodeName: 'node-1',
    zone: undefined,
    nodeIp: addresses.node[family],
    masqueradeBit: 14,
    masqueradeAll: false,
    detector: { ifLocal: `-s ${podRange[family]}`, ifNotLocal: `! -s ${podRange[family]}` },
    nodePortAddresses: undefined,
    localhostNodePorts: family === 4,
    dropInvalid: true,
    affinity: 'recent',
  };
}

export async function createScene(net: TestNet, backend: Backend, family: Family): Promise<Scene> {
  const cluster = createFakeCluster();
  const tables = createIptables(family, backend);
  let spoiled: string | undefined;
  const iptables: Iptables = {
    ...tables,
    restore: (text, until) => tables.restore(spoiled ? text.replaceAll(spoiled, '--no-such-option') : text, until),
  };
  const signal = AbortSignal.timeout(120_000);
  const refused: string[] = [];
  const vip = vips.vip[family];
  let facts: NodeFacts = { ...factsOf(family), affinity: (await hasSets(iptables)) ? 'ipset' : 'recent' };
  let proxier: Proxier;
  const restart = (): void => {
    const onRefused = (key: string): void => void refused.push(key);
    proxier = createProxier({ view: cluster, iptables, facts: () => facts, log: silentLog, onRefused });
  };
  restart();
  cluster.onChange((key) => proxier.touch(key));
  const sync = (): Promise<SyncReport> => proxier.sync(signal);
  const families: Partial<Service['spec']> = {
    ipFamilies: [family === 4 ? 'IPv4' : 'IPv6'],
    clusterIPs: [vip],
    clusterIP: vip,
  };
  return {
    family,
    net,
    cluster,
    iptables,
    vip,
    externalIp: vips.externalIp[family],
    loadBalancerIp: vips.loadBalancerIp[family],
    refused,
    set(more) {
      facts = { ...facts, ...more };
    },
    restart,
    sync,
    forget: () => proxier.forget(),
    spoil(text) {
      spoiled = text;
    },
    async web(spec, more) {
      cluster.put({ ...service({ name: 'web', spec: { ...families, ...spec } }), ...more });
      await sync();
    },
    async endpoints(endpoints, more = {}) {
      cluster.putSlice(slice({ service: 'web', family, endpoints, ...more }));
      await sync();
    },
    at: (pod, more = {}) => ({ ip: addresses[pod][family], node: pod === 'remote' ? 'node-2' : 'node-1', ...more }),
    addressOf: (host) => addresses[host][family],
    async expect(host, ip, port, who, options = {}) {
      const answer = await host.ask(ip, port, { timeoutMs: who === 'timeout' ? silenceMs : 3000, ...options });
      const expected = who.includes(' ') ? answer : answer.split(' ')[0];
      assert.equal(expected, who, `${host.name} asked ${options.protocol ?? 'tcp'} ${ip} port ${port}`);
    },
    async end() {
      await cleanUpRules(iptables, signal);
      if (facts.affinity === 'ipset') await createAffinitySets(family).prune([]);
    },
  };
}
