// Parts of a status: quality-of-service class, restarts, resources, the patch that is sent, floods of events.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { noteSimilar, type Similar, spend } from '../../../../../agent/status/rules/events.ts';
import { mergeStatus, statusPatch } from '../../../../../agent/status/rules/patch.ts';
import { computeQos, type QosClass } from '../../../../../agent/status/rules/qos.ts';
import { resourcesOf } from '../../../../../agent/status/rules/resources.ts';
import { isSame } from '../../../../../agent/status/rules/same.ts';
import { resurrected } from '../../../../../agent/status/rules/transition.ts';
import { restartsAfter } from '../../../../../agent/status/rules/wishes.ts';
import type { Container, PodSpec, PodStatus, ResourceRequirements } from '../../../../../kube/types.ts';
import { container, observedContainer, pod } from '../../../../builders/pod.ts';
import { mergePatch } from '../../../../fakes/merge-patch.ts';

describe('quality-of-service class', () => {
  const both = { cpu: '1', memory: '64Mi' };
  const table: readonly [string, readonly ResourceRequirements[], Partial<PodSpec>, QosClass][] = [
    ['nothing asked', [{}], {}, 'BestEffort'],
    ['zero asked', [{ requests: { cpu: '0' } }], {}, 'BestEffort'],
    ['something asked', [{ requests: { cpu: '100m' } }], {}, 'Burstable'],
    ['limits without requests of both', [{ limits: both, requests: both }], {}, 'Guaranteed'],
    [
      'the same amounts in other words',
      [{ limits: both, requests: { cpu: '1000m', memory: '65536Ki' } }],
      {},
      'Guaranteed',
    ],
    ['one of two containers without', [{ limits: both, requests: both }, {}], {}, 'Burstable'],
    [
      'an init container without',
      [{ limits: both, requests: both }],
      { initContainers: [container('i')] },
      'Burstable',
    ],
    ['only a memory limit', [{ limits: { memory: '1Gi' }, requests: { memory: '1Gi' } }], {}, 'Burstable'],
    ['other resources do not count', [{ limits: { 'example.com/gpu': '1' } }], {}, 'BestEffort'],
    ["the pod's own instead", [{}], { resources: { limits: both, requests: both } }, 'Guaranteed'],
  ];
  for (const [name, resources, over, want] of table) {
    test(`${name}: ${want}`, () => {
      const containers = resources.map((one, at) => container(`c${at}`, { resources: one }));
      assert.equal(computeQos({ containers, ...over }), want);
    });
  }
});

describe('a container that has exited', () => {
  const rule = (action: string, operator: string, values: number[]): Partial<Container> =>
    ({
      restartPolicy: 'Never',
      restartPolicyRules: [{ action, exitCodes: { operator, values } }],
    }) as Partial<Container>;
  const table: readonly [string, Partial<Container>, number, boolean][] = [
    ['Always', {}, 0, true],
    ['OnFailure', {}, 0, false],
    ['OnFailure', {}, 1, true],
    ['Never', {}, 1, false],
    ['Never', { restartPolicy: 'OnFailure' }, 1, true],
    ['Always', { restartPolicy: 'Never' }, 1, false],
    ['Always', rule('Restart', 'In', [42]), 42, true],
    ['Always', rule('Restart', 'In', [42]), 43, false],
    ['Always', rule('Restart', 'NotIn', [42]), 43, true],
    ['Always', rule('RestartAllContainers', 'In', [42]), 42, true],
  ];
  for (const [policy, over, exitCode, want] of table) {
    test(`with ${exitCode} under ${policy} and ${JSON.stringify(over)} ${want ? 'comes back' : 'stays'}`, () =>
      assert.equal(restartsAfter(pod({ restartPolicy: policy as 'Always' }), container('c', over), exitCode), want));
  }
});

describe('actual resources', () => {
  const resources: ResourceRequirements = {
    limits: { cpu: '500m', memory: '64Mi', 'example.com/gpu': '1' },
    requests: { cpu: '100m', memory: '32Mi' },
  };
  const wish = container('main', { resources });
  const running = { cpuShares: 102, cpuQuotaMicros: 50_000, cpuPeriodMicros: 100_000, memoryBytes: 64 * 2 ** 20 };

  test('that agree with the spec are said in its words', () => {
    assert.deepEqual(resourcesOf(wish, observedContainer('main', { resources: running })), resources);
  });

  test('that differ are said as they are', () => {
    const resized = { ...running, cpuShares: 205, cpuQuotaMicros: 20_000, memoryBytes: 128 * 2 ** 20 };
    assert.deepEqual(resourcesOf(wish, observedContainer('main', { resources: resized })), {
      limits: { cpu: '200m', memory: '128Mi', 'example.com/gpu': '1' },
      requests: { cpu: '201m', memory: '32Mi' },
    });
  });

  test('of a container that does not run are those it would get', () => {
    const dead = observedContainer('main', { phase: 'exited', resources: { ...running, cpuShares: 999 } });
    assert.deepEqual(resourcesOf(wish, dead), resources);
  });
});

describe('the patch of a status', () => {
  const api: PodStatus = {
    phase: 'Running',
    reason: 'Old',
    podIPs: [{ ip: '10.0.0.1' }],
    conditions: [
      { type: 'example.com/gate', status: 'True' },
      { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'x' },
      { type: 'PodResizePending', status: 'True' },
    ],
  };

  test('is nothing when both say the same', () => {
    assert.equal(statusPatch(api, { ...api, conditions: api.conditions ?? [] }), undefined);
  });

  test('clears what is not said any more, and leaves alone what is not ours', () => {
    const ours: PodStatus = {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.2' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    assert.deepEqual(statusPatch(api, ours), {
      reason: null,
      podIPs: [{ $patch: 'replace' }, { ip: '10.0.0.2' }],
      conditions: [
        { type: 'Ready', status: 'True', reason: null, message: null },
        { $patch: 'delete', type: 'PodResizePending' },
      ],
    });
  });

  test('makes any status of the API ours, but for conditions of others', () => {
    const text = fc.option(fc.constantFrom('a', 'b'), { nil: undefined });
    const condition = fc.record(
      {
        type: fc.constantFrom('Ready', 'Initialized', 'theirs'),
        status: fc.constantFrom('True', 'False'),
        reason: text,
      },
      { requiredKeys: ['type', 'status'] },
    );
    const status = fc
      .record({
        phase: fc.constantFrom('Pending', 'Running', 'Failed'),
        reason: text,
        message: text,
        podIPs: fc.uniqueArray(fc.record({ ip: fc.constantFrom('1.1.1.1', '::1') }), { selector: ({ ip }) => ip }),
        conditions: fc.uniqueArray(condition, { selector: ({ type }) => type }),
      })
      .map((value) => JSON.parse(JSON.stringify(value)) as PodStatus);
    fc.assert(
      fc.property(status, status, (before, wanted) => {
        const merged = mergeStatus(before, wanted, false);
        const after = mergePatch(before, statusPatch(before, merged) ?? {}, 'strategic') as PodStatus;
        assert.equal(statusPatch(after, mergeStatus(after, wanted, false)), undefined);
        const theirs = ({ conditions = [] }: PodStatus) => conditions.filter(({ type }) => type === 'theirs');
        assert.deepEqual(theirs(after), theirs(before));
      }),
    );
  });
});

test('only an end that is final may not be taken back', () => {
  const status = (state: object): PodStatus => ({
    containerStatuses: [{ name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state }],
  });
  const dead = status({ terminated: { exitCode: 1 } });
  const alive = status({ running: {} });
  assert.equal(resurrected(pod({ restartPolicy: 'Never' }), dead, alive), 'main');
  assert.equal(resurrected(pod({ restartPolicy: 'OnFailure' }), dead, alive), undefined);
  assert.equal(resurrected(pod({ restartPolicy: 'Never' }), alive, dead), undefined);
});

test('JSON is the same in any order of names', () => {
  assert.ok(isSame({ a: 1, b: [{ c: undefined }] }, { b: [{}], a: 1 }));
  assert.ok(!isSame([1, 2], [2, 1]));
  assert.ok(!isSame({ a: [] }, { a: {} }));
});

test('similar events are counted for ten minutes of quiet', () => {
  let similar: Similar | undefined;
  const combined = Array.from({ length: 11 }, (_, at) => {
    const noted = noteSimilar(similar, `m${at}`, at * 60_000);
    similar = noted.similar;
    return noted.isCombined;
  });
  assert.deepEqual(combined.indexOf(true), 9);
  assert.equal(noteSimilar(similar, 'later', 10 * 60_000 + 600_001).isCombined, false);
});

test('an allowance of 25 refills by one every five minutes', () => {
  const { allowance } = spend({ tokens: 1, atMs: 0 }, 0);
  assert.equal(spend(allowance, 299_999).isAllowed, false);
  assert.equal(spend(allowance, 300_000).isAllowed, true);
  assert.equal(spend({ tokens: 3, atMs: 0 }, 10 ** 12).allowance.tokens, 24);
});
