// The node's rules: /proc, capacity, pressure, addresses, conditions, labels, images, patches.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AddressFacts, chooseNodeIps } from '../../../../../agent/node/rules/addresses.ts';
import {
  allocatableOf,
  type CapacityPlan,
  capacityOf,
  checkReservations,
} from '../../../../../agent/node/rules/capacity.ts';
import { conditionEvents, networkError, nodeConditions } from '../../../../../agent/node/rules/conditions.ts';
import { nodeImages } from '../../../../../agent/node/rules/images.ts';
import { defaultLabels, forbiddenLabels } from '../../../../../agent/node/rules/labels.ts';
import { adoptionPatch, statusChanges } from '../../../../../agent/node/rules/object.ts';
import { bytesOf, notePressure, pressureOf } from '../../../../../agent/node/rules/pressure.ts';
import {
  countCpus,
  parseDefaultInterface,
  parseDefaultInterface6,
  parseMeminfo,
  parseOsName,
  parseTaskCount,
} from '../../../../../agent/node/rules/proc.ts';
import { isReportDue } from '../../../../../agent/node/rules/report.ts';
import type { NodeCondition } from '../../../../../kube/types.ts';

const mebi = 2 ** 20;
const gibi = 2 ** 30;

describe('texts of the kernel', () => {
  test('memory: available is what is free, and file cache that nobody touched lately', () => {
    const text =
      'MemTotal:       24684084 kB\nMemFree:         1000 kB\nMemAvailable:  5 kB\nInactive(file):  24 kB\nSwapTotal:  0 kB\n';
    assert.deepEqual(parseMeminfo(text), {
      totalBytes: 24_684_084 * 1024,
      availableBytes: 1024 * 1024,
      swapTotalBytes: 0,
    });
  });

  const cpuLists: readonly [string, number][] = [
    ['0\n', 1],
    ['0-1\n', 2],
    ['0-3,8,10-11\n', 7],
  ];
  for (const [list, cpus] of cpuLists) {
    test(`CPUs ${JSON.stringify(list)} are ${cpus}`, () => assert.equal(countCpus(list), cpus));
  }

  test('the name of the system, quoted or not', () => {
    assert.equal(
      parseOsName('NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
      'Debian GNU/Linux 12 (bookworm)',
    );
    assert.equal(parseOsName('PRETTY_NAME=Alpine'), 'Alpine');
    assert.equal(parseOsName(''), 'Linux');
  });

  test('the interface of the default route with the lowest metric', () => {
    const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
    const wlan = 'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n';
    const eth = 'eth0\t00000000\t014DA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n';
    const net = 'eth1\t004DA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n';
    assert.equal(parseDefaultInterface(`${head}${wlan}${eth}${net}`), 'eth0');
    assert.equal(parseDefaultInterface(`${head}${net}`), undefined);
  });

  test('the same for IPv6, where the unreachable default of lo does not count', () => {
    const zero = '0'.repeat(32);
    const line = (metric: string, name: string): string =>
      `${zero} 00 ${zero} 00 ${zero} ${metric} 00000001 00000000 00200200       ${name}\n`;
    assert.equal(parseDefaultInterface6(`${line('00000400', 'eth0')}${line('ffffffff', 'lo')}`), 'eth0');
    assert.equal(parseDefaultInterface6(line('ffffffff', 'lo')), undefined);
  });

  test('tasks of the machine', () => assert.equal(parseTaskCount('0.52 0.58 0.59 3/617 26125'), 617));
});

const plan: CapacityPlan = {
  maxPods: 110,
  podsPerCore: 0,
  systemReserved: {},
  kubeReserved: {},
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '10%' },
};
const machine = { cpus: 2, memoryBytes: 4 * gibi, storageBytes: 100 * gibi, hugepages: new Map([[2048, 0]]) };

describe('capacity', () => {
  test('of a machine', () => {
    assert.deepEqual(capacityOf(machine, plan), {
      cpu: '2',
      'ephemeral-storage': '100Gi',
      memory: '4Gi',
      pods: '110',
      'hugepages-2Mi': '0',
    });
  });

  test('pods are limited per core', () => {
    assert.equal(capacityOf(machine, { ...plan, podsPerCore: 10 })['pods'], '20');
    assert.equal(capacityOf(machine, { ...plan, podsPerCore: 100 })['pods'], '110');
  });

  test('what eviction keeps free, what is reserved and huge pages are not for pods', () => {
    const reserved = { ...plan, systemReserved: { cpu: '200m', memory: '128Mi' }, kubeReserved: { cpu: '0.3' } };
    const capacity = capacityOf({ ...machine, hugepages: new Map([[2048, 512]]) }, reserved);
    assert.deepEqual(allocatableOf({ ...capacity, 'example.com/gpu': '4' }, reserved), {
      cpu: '1500m',
      'ephemeral-storage': '90Gi',
      memory: '2844Mi',
      pods: '110',
      'hugepages-2Mi': '1Gi',
      'example.com/gpu': '4',
    });
  });

  test('more cannot be reserved than there is', () => {
    const greedy = { ...plan, systemReserved: { cpu: '1' }, kubeReserved: { cpu: '1500m' } };
    assert.throws(
      () => checkReservations(capacityOf(machine, greedy), greedy),
      new RangeError('Cannot reserve more cpu than the node has: system "1" and kube "1500m" of "2"'),
    );
  });
});

describe('pressure', () => {
  const thresholds: readonly [string | undefined, number, number][] = [
    ['100Mi', gibi, 100 * mebi],
    ['10%', 1000, 100],
    ['0%', 1000, 0],
    ['100%', 1000, 0],
    [undefined, 1000, 0],
  ];
  for (const [text, capacity, want] of thresholds) {
    test(`threshold ${text} of ${capacity} is ${want}`, () => assert.equal(bytesOf(text, capacity), want));
  }

  test('is there at once and lasts five minutes longer than it was seen', () => {
    const seen = notePressure(['memory'], {}, 1000);
    const later = notePressure([], seen, 10_000);
    assert.deepEqual(later, { memory: 1000 });
    assert.deepEqual(pressureOf(later, 1000, 300_000), { memory: true, disk: false, pid: false });
    assert.deepEqual(pressureOf(later, 300_999, 300_000), { memory: true, disk: false, pid: false });
    assert.deepEqual(pressureOf(later, 301_000, 300_000), { memory: false, disk: false, pid: false });
  });
});

describe('addresses', () => {
  const facts: AddressFacts = {
    configured: [],
    nodeName: 'node-1',
    resolved: [],
    interfaces: new Map([
      ['lo', ['127.0.0.1', '::1']],
      ['eth0', ['192.168.77.2', 'fd77::2', 'fe80::1']],
      ['docker0', ['172.17.0.1']],
    ]),
    defaultInterfaces: ['eth0'],
  };
  const table: readonly [string, Partial<AddressFacts>, readonly string[]][] = [
    ['the default route decides', {}, ['192.168.77.2']],
    ['a name in /etc/hosts that means loopback does not', { resolved: ['127.0.1.1'] }, ['192.168.77.2']],
    ['a name that resolves to one of ours does', { resolved: ['172.17.0.1'] }, ['172.17.0.1']],
    ['a name that is somebody else does not', { resolved: ['10.9.9.9'] }, ['192.168.77.2']],
    ['a node that is named by its address', { nodeName: '172.17.0.1' }, ['172.17.0.1']],
    ['two that were configured, canonical', { configured: ['FD77:0::2', '192.168.77.2'] }, ['fd77::2', '192.168.77.2']],
    ['only IPv6', { interfaces: new Map([['eth0', ['fe80::1', 'fd77::2']]]) }, ['fd77::2']],
    ['nothing usable', { interfaces: new Map([['eth0', ['169.254.3.4']]]) }, []],
  ];
  for (const [name, over, want] of table) {
    test(name, () => assert.deepEqual(chooseNodeIps({ ...facts, ...over }), want));
  }

  const refused: readonly [string, string][] = [
    ['127.0.0.1', 'it is loopback'],
    ['224.0.0.1', 'it is multicast'],
    ['0.0.0.0', 'it is unspecified'],
    ['fe80::1', 'it is link-local'],
    ['10.9.9.9', 'no interface of this host has it'],
    ['here', 'it is no IP address'],
  ];
  for (const [ip, why] of refused) {
    test(`${ip} cannot be configured`, () =>
      assert.throws(
        () => chooseNodeIps({ ...facts, configured: [ip] }),
        new RangeError(`Cannot use node IP "${ip}": ${why}`),
      ));
  }
});

describe('conditions', () => {
  const calm = { memory: false, disk: false, pid: false };
  const times = { lastHeartbeatTime: 'now', lastTransitionTime: 'now' };

  test('of a healthy node', () => {
    assert.deepEqual(nodeConditions({ pressure: calm, errors: [] }, [], 'now'), [
      {
        type: 'MemoryPressure',
        status: 'False',
        reason: 'KubeletHasSufficientMemory',
        message: 'kubelet has sufficient memory available',
        ...times,
      },
      {
        type: 'DiskPressure',
        status: 'False',
        reason: 'KubeletHasNoDiskPressure',
        message: 'kubelet has no disk pressure',
        ...times,
      },
      {
        type: 'PIDPressure',
        status: 'False',
        reason: 'KubeletHasSufficientPID',
        message: 'kubelet has sufficient PID available',
        ...times,
      },
      { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status', ...times },
    ]);
  });

  test('of a node with two troubles and no memory', () => {
    const errors = ['container runtime is down', networkError('cni config uninitialized')];
    const before = nodeConditions({ pressure: calm, errors }, [], 'then');
    const [memory, , , ready] = nodeConditions({ pressure: { ...calm, memory: true }, errors }, before, 'now');
    assert.deepEqual(memory, {
      type: 'MemoryPressure',
      status: 'True',
      reason: 'KubeletHasInsufficientMemory',
      message: 'kubelet has insufficient memory available',
      ...times,
    });
    assert.deepEqual(ready, {
      type: 'Ready',
      status: 'False',
      reason: 'KubeletNotReady',
      message:
        '[container runtime is down, container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:docker: network plugin is not ready: cni config uninitialized]',
      lastHeartbeatTime: 'now',
      lastTransitionTime: 'then',
    });
  });

  test('are events when they change', () => {
    const before = nodeConditions({ pressure: calm, errors: ['x'] }, [], 'then');
    const after = nodeConditions({ pressure: { ...calm, disk: true }, errors: [] }, before, 'now');
    assert.deepEqual(
      conditionEvents('n', before, after).map(({ reason }) => reason),
      ['NodeHasDiskPressure', 'NodeReady'],
    );
    assert.deepEqual(conditionEvents('n', after, after), []);
    assert.deepEqual(
      conditionEvents('n', [], before).map(({ reason }) => reason),
      ['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID'],
    );
  });
});

describe('the object', () => {
  test('of kubernetes.io and k8s.io a node labels itself with few names', () => {
    const labels = {
      ...defaultLabels('n', 'amd64'),
      'example.com/a': '',
      plain: '',
      'node.kubernetes.io/a': '',
      'kubelet.kubernetes.io/a': '',
      'sub.node.kubernetes.io/a': '',
      'topology.kubernetes.io/zone': '',
      'node-role.kubernetes.io/worker': '',
      'k8s.io/a': '',
      'notk8s.io/a': '',
    };
    assert.deepEqual(forbiddenLabels(labels), ['node-role.kubernetes.io/worker', 'k8s.io/a']);
  });

  test('images: largest first, five names, no nameless ones', () => {
    const image = (sizeBytes: number, tags: string[], digests: string[] = []) => ({
      id: 'x',
      sizeBytes,
      tags,
      digests,
    });
    assert.deepEqual(
      nodeImages(
        [
          image(1, ['a:1', 'a:2', 'a:3', 'a:4', 'a:5'], ['a@sha256:1']),
          image(3, ['c:1', '<none>:<none>']),
          image(2, []),
          image(2, ['b:1']),
        ],
        2,
      ),
      [
        { names: ['c:1'], sizeBytes: 3 },
        { names: ['b:1'], sizeBytes: 2 },
      ],
    );
  });

  test('a status that only grew older is not sent, and resources of others are not touched', () => {
    const condition = (over: Partial<NodeCondition> = {}): NodeCondition => ({
      type: 'Ready',
      status: 'True',
      lastHeartbeatTime: 'a',
      ...over,
    });
    const api = {
      capacity: { cpu: '2', 'example.com/gpu': '4' },
      addresses: [{ address: '1.2.3.4', type: 'InternalIP' }],
      conditions: [{ type: 'NetworkUnavailable', status: 'False' }, condition()],
    };
    const ours = {
      capacity: { cpu: '2' },
      addresses: [{ type: 'InternalIP', address: '1.2.3.4' }],
      conditions: [condition({ lastHeartbeatTime: 'b' })],
    };
    assert.equal(statusChanges(api, ours), undefined);
    assert.deepEqual(statusChanges(api, { ...ours, capacity: { cpu: '3' }, addresses: [] }), {
      capacity: { cpu: '3' },
      addresses: [{ $patch: 'replace' }],
    });
  });

  test('a node that is there gets only what it lacks', () => {
    const identity = { nodeName: 'n', labels: { a: '1', b: '2' }, taints: [], providerId: undefined };
    const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };
    const node = (labels: Record<string, string>) => ({
      apiVersion: 'v1' as const,
      kind: 'Node' as const,
      metadata: { name: 'n', labels, annotations },
    });
    assert.deepEqual(adoptionPatch(node({ a: '1', theirs: 'x' }), identity), { metadata: { labels: { b: '2' } } });
    assert.equal(adoptionPatch(node({ a: '1', b: '2' }), identity), undefined);
  });

  test('a report is due at once, then after the period, spread by half of it', () => {
    const plan = { reportEveryMs: 1000, jitter: 0 };
    assert.deepEqual(
      [
        isReportDue(undefined, 0, plan),
        isReportDue(0, 999, plan),
        isReportDue(0, 1000, plan),
        isReportDue(0, 500, { ...plan, jitter: -1 }),
        isReportDue(0, 1499, { ...plan, jitter: 1 }),
      ],
      [true, false, true, true, false],
    );
  });
});
