// Who goes first, what is said of it, who goes for limits of its own, and who is let in meanwhile.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PodUsage } from '../../../../../agent/model.ts';
import { evictionOf, refusalUnderPressure } from '../../../../../agent/node/rules/eviction.ts';
import { type Candidate, rankPods } from '../../../../../agent/node/rules/ranking.ts';
import { limitEvictions } from '../../../../../agent/node/rules/storage-limits.ts';
import type { MetThreshold, SignalName } from '../../../../../agent/node/rules/thresholds.ts';
import type { PodSpec } from '../../../../../kube/types.ts';
import { container, pod } from '../../../../builders/pod.ts';

const mebi = 1024 * 1024;

interface Sketch {
  readonly memoryMi?: number;
  readonly requestMi?: number;
  readonly rootFsMi?: number;
  readonly logsMi?: number;
  readonly volumeMi?: number;
  readonly processes?: number;
  readonly priority?: number;
  readonly isStatic?: boolean;
  readonly isUnmeasured?: boolean;
}

function candidate(name: string, sketch: Sketch = {}, spec: Partial<PodSpec> = {}): Candidate {
  const { memoryMi = 0, requestMi, rootFsMi = 0, logsMi = 0, volumeMi = 0, processes = 0 } = sketch;
  const requests = requestMi === undefined ? {} : { resources: { requests: { memory: `${requestMi}Mi` } } };
  const disk = (sizeMi: number) => ({ bytes: sizeMi * mebi, inodes: sizeMi });
  const usage: PodUsage = {
    uid: name,
    memoryBytes: memoryMi * mebi,
    processes,
    containers: [{ name: 'main', memoryBytes: memoryMi * mebi, rootFs: disk(rootFsMi), logs: disk(logsMi) }],
    volumes: [{ name: 'scratch', isOnDisk: true, ...disk(volumeMi) }],
  };
  return {
    pod: pod(
      {
        containers: [container('main', requests)],
        ...(sketch.priority === undefined ? {} : { priority: sketch.priority }),
        ...spec,
      },
      { name, uid: name },
    ),
    usage: sketch.isUnmeasured ? undefined : usage,
    isStatic: sketch.isStatic ?? false,
  };
}

const names = (list: readonly Candidate[]): string[] => list.map(({ pod: { metadata } }) => metadata.name);

describe('ranking', () => {
  const table: readonly [because: string, SignalName, 'shared' | 'split', Record<string, Sketch>, string[]][] = [
    [
      'beyond its request before within it, whatever the amount',
      'memory.available',
      'shared',
      { within: { memoryMi: 900, requestMi: 1000 }, beyond: { memoryMi: 20, requestMi: 10 } },
      ['beyond', 'within'],
    ],
    [
      'then the lower priority, then the larger excess',
      'memory.available',
      'shared',
      {
        dear: { memoryMi: 500, priority: 1000 },
        small: { memoryMi: 100, requestMi: 50 },
        large: { memoryMi: 200, requestMi: 50 },
      },
      ['large', 'small', 'dear'],
    ],
    [
      'static and system-critical pods never; one that nobody measured before those within their requests',
      'memory.available',
      'shared',
      {
        manifest: { memoryMi: 900, isStatic: true },
        system: { memoryMi: 900, priority: 2_000_000_000 },
        within: { memoryMi: 10, requestMi: 20 },
        unknown: { isUnmeasured: true },
      },
      ['unknown', 'within'],
    ],
    [
      'on one disk layers, logs and volumes count together',
      'nodefs.available',
      'shared',
      { layers: { rootFsMi: 30 }, rest: { logsMi: 10, volumeMi: 10 } },
      ['layers', 'rest'],
    ],
    [
      'on a disk of its own only logs and volumes count for the node',
      'nodefs.available',
      'split',
      { layers: { rootFsMi: 30 }, rest: { logsMi: 10, volumeMi: 10 } },
      ['rest', 'layers'],
    ],
    [
      'and only layers for the images',
      'imagefs.inodesFree',
      'split',
      { layers: { rootFsMi: 3 }, rest: { logsMi: 10, volumeMi: 10 } },
      ['layers', 'rest'],
    ],
    [
      'short of processes, priority comes before their number',
      'pid.available',
      'shared',
      { many: { processes: 500, priority: 10 }, few: { processes: 2 }, some: { processes: 5 } },
      ['some', 'few', 'many'],
    ],
  ];
  for (const [because, signal, layout, sketches, want] of table) {
    test(because, () => {
      const list = Object.entries(sketches).map(([name, sketch]) => candidate(name, sketch));
      assert.deepEqual(names(rankPods(list, signal, layout)), want);
    });
  }
});

describe('an eviction', () => {
  const hard: MetThreshold = {
    threshold: { signal: 'memory.available', amount: '100Mi', graceMs: 0, reclaim: undefined },
    signal: { available: 50 * mebi, capacity: 1024 * mebi },
    sinceMs: 0,
  };

  test('says what was low, how low, and which container used more than it asked for', () => {
    const message =
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using 500Mi, request is 0, has larger consumption of memory. ';
    assert.deepEqual((({ pod: _, ...rest }) => rest)(evictionOf(candidate('web', { memoryMi: 500 }), hard, 0)), {
      termination: {
        graceSeconds: 1,
        because: 'the node was low on memory',
        status: { reason: 'Evicted', message, disruption: message },
      },
      annotations: {
        offending_containers: 'main',
        offending_containers_usage: '500Mi',
        starved_resource: 'memory',
      },
      signal: 'memory.available',
    });
  });

  test('of inodes or processes names no container', () => {
    const pids: MetThreshold = {
      ...hard,
      threshold: { ...hard.threshold, signal: 'pid.available', amount: '1000' },
      signal: { available: 512, capacity: 32768 },
    };
    assert.equal(
      evictionOf(candidate('web', { processes: 9 }), pids, 0).termination.status?.message,
      'The node was low on resource: pids. Threshold quantity: 1k, available: 512. ',
    );
  });

  const soft: MetThreshold = { ...hard, threshold: { ...hard.threshold, graceMs: 60_000 } };
  const graces: readonly [string, MetThreshold, number, number][] = [
    ['a hard threshold leaves one second', hard, 600, 1],
    ['a soft one what the pod asks for', soft, 600, 30],
    ['but no more than the configuration lets it', soft, 10, 10],
    ['and never less than a second', soft, 0, 1],
  ];
  for (const [because, met, maxSeconds, want] of graces) {
    test(because, () => {
      assert.equal(evictionOf(candidate('web'), met, maxSeconds).termination.graceSeconds, want);
    });
  }
});

describe('limits of its own', () => {
  const limited = (limit: string) => ({
    containers: [container('main', { resources: { limits: { 'ephemeral-storage': limit } } })],
  });
  const volumes = [{ name: 'scratch', emptyDir: { sizeLimit: '10Mi' } }];
  const table: readonly [string, Candidate, string | undefined, string | undefined][] = [
    ['no limit, no breach', candidate('web', { rootFsMi: 900, volumeMi: 900 }), undefined, undefined],
    [
      'a volume that has grown beyond its size',
      candidate('web', { volumeMi: 11 }, { volumes }),
      'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". ',
      'emptydirfs.limit',
    ],
    ['a volume as large as it may be', candidate('web', { volumeMi: 10 }, { volumes }), undefined, undefined],
    [
      'layers, logs and volumes beyond what the containers may use together',
      candidate('web', { rootFsMi: 1, logsMi: 1, volumeMi: 4 }, limited('5Mi')),
      'Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ',
      'ephemeralpodfs.limit',
    ],
    [
      'one container beyond its own, in a pod that is within its sum',
      candidate(
        'web',
        { rootFsMi: 2, logsMi: 1 },
        {
          containers: [
            container('main', { resources: { limits: { 'ephemeral-storage': '2Mi' } } }),
            container('other', { resources: { limits: { 'ephemeral-storage': '20Mi' } } }),
          ],
        },
      ),
      'Container main exceeded its local ephemeral storage limit "2Mi". ',
      'ephemeralcontainerfs.limit',
    ],
    [
      'a static pod stays whatever it uses',
      candidate('web', { volumeMi: 11, isStatic: true }, { volumes }),
      undefined,
      undefined,
    ],
  ];
  for (const [because, one, message, signal] of table) {
    test(because, () => {
      const want =
        message === undefined
          ? []
          : [
              {
                pod: one.pod,
                termination: {
                  graceSeconds: 1,
                  because: 'it uses more of the disk than its limit',
                  status: { reason: 'Evicted', message },
                },
                annotations: {},
                signal,
              },
            ];
      assert.deepEqual(limitEvictions([one]), want);
    });
  }
});

describe('admission under pressure', () => {
  const memory = { memory: true, disk: false, pid: false };
  const all = { memory: true, disk: true, pid: true };
  const refusal = (conditions: string) => ({ reason: 'Evicted', message: `The node had condition: [${conditions}]. ` });
  const tolerations = [
    { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' as const, effect: 'NoSchedule' as const },
  ];
  const table: readonly [string, Candidate, typeof memory, ReturnType<typeof refusal> | undefined][] = [
    ['none: everybody', candidate('web'), { memory: false, disk: false, pid: false }, undefined],
    ['memory: nobody who asked for nothing', candidate('web'), memory, refusal('MemoryPressure')],
    ['memory: who asked for some', candidate('web', { requestMi: 1 }), memory, undefined],
    ['memory: who tolerates it', candidate('web', {}, { tolerations }), memory, undefined],
    [
      'more: not even those',
      candidate('web', { requestMi: 1 }),
      all,
      refusal('MemoryPressure DiskPressure PIDPressure'),
    ],
    ['static pods always', candidate('web', { isStatic: true }), all, undefined],
    ['critical pods always', candidate('web', { priority: 2_000_001_000 }), all, undefined],
  ];
  for (const [because, one, pressure, want] of table) {
    test(because, () => assert.deepEqual(refusalUnderPressure(one, pressure), want));
  }
});
