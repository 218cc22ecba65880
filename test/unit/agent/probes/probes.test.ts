// Probe workers on a clock that the test moves, with programs that answer as told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineExec } from '../../../../agent/docker/engine.ts';
import type { ObservedPod } from '../../../../agent/model.ts';
import { createProbes, type Probes } from '../../../../agent/probes/probes.ts';
import { silentLog } from '../../../../host/log.ts';
import type { Container } from '../../../../kube/types.ts';
import { container, desiredPod, exited, observedContainer, observedPod, uid } from '../../../builders/pod.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/clock.ts';

interface Rig {
  readonly clock: FakeClock;
  readonly probes: Probes;
  /** What each command exits with; missing: the engine fails. */
  readonly exits: Map<string, number>;
  readonly asked: string[];
  readonly told: string[];
  verdict(id?: string): unknown;
}

function rig(): Rig {
  const clock = createFakeClock();
  const exits = new Map<string, number>();
  const asked: string[] = [];
  const told: string[] = [];
  const exec = async (id: string, { command }: { command: readonly string[] }): Promise<EngineExec> => {
    const [name = ''] = command;
    asked.push(`${name} ${id}`);
    const code = exits.get(name);
    if (code === undefined) throw new Error('no such container');
    const output = (async function* () {
      yield { stream: 'stdout', data: Buffer.from(`${name}:${code}`) } as const;
    })();
    const rest = { stdin: undefined, resize: async () => {}, close: () => {}, pid: async () => 0 };
    return { output, exitCode: async () => code, ...rest };
  };
  const probes = createProbes({
    engine: { exec },
    events: { pod: (_, { reason, message }) => told.push(`${reason} ${message}`), node: () => {} },
    clock,
    log: silentLog,
    onVerdict: () => {},
    hostIps: () => [],
    random: () => 0.5,
  });
  const verdict = (id = 'main-0') => probes.verdicts(uid).get(id);
  return { clock, probes, exits, asked, told, verdict };
}

const probed = (over: Partial<Container>) => desiredPod({ containers: [container('main', over)] });
const young = (clock: FakeClock, over = {}): ObservedPod =>
  observedPod([observedContainer('main', { startedAtMs: clock.now(), ...over })]);

test('readiness is asked at once, and lost after three failures in a row', async () => {
  const { clock, probes, exits, told, asked, verdict } = rig();
  exits.set('ready', 0);
  const desired = probed({ readinessProbe: { exec: { command: ['ready'] } } });
  probes.follow(desired, young(clock));
  await clock.advance(0);
  assert.deepEqual(verdict(), { started: undefined, ready: true, alive: undefined });
  exits.set('ready', 1);
  await clock.advance(20_000);
  assert.deepEqual([verdict(), asked.length], [{ started: undefined, ready: true, alive: undefined }, 3]);
  exits.set('ready', 0);
  await clock.advance(10_000);
  exits.set('ready', 1);
  await clock.advance(30_000);
  assert.deepEqual(verdict(), { started: undefined, ready: false, alive: undefined });
  assert.deepEqual(new Set(told), new Set(['Unhealthy Readiness probe failed: ready:1']));
  assert.equal(told.length, 5);
  probes.stop();
});

test('a container that is not ready is asked again with every sync', async () => {
  const { clock, probes, exits, asked, verdict } = rig();
  exits.set('ready', 1);
  const desired = probed({ readinessProbe: { exec: { command: ['ready'] } } });
  const observed = young(clock);
  probes.follow(desired, observed);
  await clock.advance(0);
  exits.set('ready', 0);
  probes.follow(desired, observed);
  await clock.advance(0);
  assert.deepEqual([asked.length, verdict()], [2, { started: undefined, ready: true, alive: undefined }]);
  probes.stop();
});

test('nothing is asked before the initial delay is over, and then at once', async () => {
  const { clock, probes, exits, asked } = rig();
  exits.set('ready', 0);
  probes.follow(probed({ readinessProbe: { exec: { command: ['ready'] }, initialDelaySeconds: 4 } }), young(clock));
  await clock.advance(3_900);
  assert.deepEqual(asked, []);
  await clock.advance(100);
  assert.deepEqual(asked, ['ready main-0']);
  probes.stop();
});

test('liveness and readiness wait for the startup probe', async () => {
  const { clock, probes, exits, asked, verdict } = rig();
  for (const name of ['ready', 'alive']) exits.set(name, 0);
  exits.set('started', 1);
  const desired = probed({
    startupProbe: { exec: { command: ['started'] }, periodSeconds: 1, failureThreshold: 5 },
    livenessProbe: { exec: { command: ['alive'] }, periodSeconds: 1 },
    readinessProbe: { exec: { command: ['ready'] }, periodSeconds: 1 },
  });
  const observed = young(clock);
  probes.follow(desired, observed);
  await clock.advance(2_000);
  assert.deepEqual(new Set(asked), new Set(['started main-0']));
  exits.set('started', 0);
  await clock.advance(3_000);
  assert.deepEqual(verdict(), { started: true, ready: true, alive: true });
  assert.equal(asked.filter((one) => one === 'started main-0').length, 4);
  probes.stop();
});

test('a startup probe that fails for good asks for a restart, and nothing more until there was one', async () => {
  const { clock, probes, exits, asked, verdict } = rig();
  exits.set('started', 1);
  const desired = probed({ startupProbe: { exec: { command: ['started'] }, periodSeconds: 1, failureThreshold: 2 } });
  probes.follow(desired, young(clock));
  await clock.advance(10_000);
  assert.deepEqual([asked.length, verdict()], [2, { started: false, ready: undefined, alive: false }]);
  exits.set('started', 0);
  const again = observedContainer('main', { restartCount: 1, startedAtMs: clock.now() });
  probes.follow(desired, observedPod([again, exited('main', 137)]));
  await clock.advance(0);
  assert.deepEqual(verdict('main-1'), { started: true, ready: undefined, alive: undefined });
  assert.equal(verdict('main-0'), undefined);
  probes.stop();
});

test('a probe that cannot be made is tried three times, told of, and not counted', async () => {
  const { clock, probes, asked, told, verdict } = rig();
  probes.follow(probed({ livenessProbe: { exec: { command: ['alive'] }, failureThreshold: 1 } }), young(clock));
  await clock.advance(0);
  assert.deepEqual(
    [asked.length, told, verdict()],
    [
      3,
      ['Unhealthy Liveness probe errored and resulted in failure state: no such container'],
      { started: undefined, ready: undefined, alive: undefined },
    ],
  );
  probes.stop();
});

test('a pod that is being deleted is not restarted any more, but its readiness counts', async () => {
  const { clock, probes, exits, asked, verdict } = rig();
  exits.set('alive', 1);
  exits.set('ready', 0);
  const probesOf = {
    livenessProbe: { exec: { command: ['alive'] } },
    readinessProbe: { exec: { command: ['ready'] } },
  };
  const { pod } = probed(probesOf);
  const observed = young(clock);
  probes.follow({ uid, pod, source: 'api' }, observed);
  await clock.advance(0);
  const deleting = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  probes.follow({ uid, pod: deleting, source: 'api' }, observed);
  asked.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(new Set(asked), new Set(['ready main-0']));
  assert.deepEqual(verdict(), { started: undefined, ready: true, alive: true });
  probes.forget(uid);
  asked.length = 0;
  await clock.advance(60_000);
  assert.deepEqual([asked, clock.sleepers()], [[], 0]);
});

test('containers from before the agent are not all asked at once, and stay started', async () => {
  const { clock, probes, exits, asked, verdict } = rig();
  exits.set('ready', 0);
  const desired = probed({
    startupProbe: { exec: { command: ['started'] } },
    readinessProbe: { exec: { command: ['ready'] } },
  });
  const status = {
    containerStatuses: [
      {
        name: 'main',
        image: '',
        imageID: '',
        ready: true,
        started: true,
        restartCount: 0,
        containerID: 'docker://main-0',
      },
    ],
  };
  probes.follow({ ...desired, pod: { ...desired.pod, status } }, young(clock, { startedAtMs: 5 }));
  await clock.advance(4_999);
  assert.deepEqual([asked, verdict()], [[], { started: true, ready: undefined, alive: undefined }]);
  await clock.advance(1);
  assert.deepEqual([asked, verdict()], [['ready main-0'], { started: true, ready: true, alive: undefined }]);
  probes.stop();
});
