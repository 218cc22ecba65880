// What every Engine does, Docker's and the fake: one list of truths, run against both.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  type ContainerPlan,
  type Engine,
  EngineError,
  type EngineEvent,
  isConflict,
  isNotFound,
} from '../../agent/docker/engine.ts';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** An image that is there, with a shell in it. */
  readonly image: string;
}

const waitMs = 30_000;
const mark = 'io.nodelet.contract';

export function engineContract(name: string, open: () => Promise<EngineUnderTest>): void {
  const soon = (): AbortSignal => AbortSignal.timeout(waitMs);
  const run = randomBytes(4).toString('hex');
  let count = 0;

  async function withContainer(
    over: Partial<ContainerPlan>,
    work: (engine: Engine, id: string, plan: ContainerPlan) => Promise<void>,
  ) {
    const { engine, image } = await open();
    count += 1;
    const plan: ContainerPlan = {
      name: `contract-${run}-${count}`,
      image,
      labels: { [mark]: run, number: `${count}` },
      networkDisabled: true,
      command: ['sh', '-c', 'trap "exit 7" TERM; while :; do sleep 0.1; done'],
      ...over,
    };
    const id = await engine.createContainer(plan, soon());
    try {
      await work(engine, id, plan);
    } finally {
      await engine.removeContainer(id, soon());
    }
  }

  test(`${name}: a container is created, starts, stops and goes, and is seen at each step`, () =>
    withContainer({}, async (engine, id, plan) => {
      assert.equal((await engine.inspectContainer(id)).phase, 'created');
      await engine.startContainer(id);
      const running = await engine.inspectContainer(id);
      assert.equal(running.phase, 'running');
      assert.ok(running.pid > 1);
      await engine.stopContainer(id, 5);
      const ended = await engine.inspectContainer(id);
      assert.equal(ended.phase, 'exited');
      assert.equal(ended.pid, 0);
      assert.ok((ended.finishedAtMs ?? 0) >= (ended.startedAtMs ?? Number.NaN));
      const listed = await engine.listContainers({ [mark]: run, number: plan.labels['number'] ?? '' });
      assert.deepEqual(
        listed.map(({ id: of, name: called, phase }) => [of, called, phase]),
        [[id, plan.name, 'exited']],
      );
    }));

  test(`${name}: a name that is taken is a Conflict`, () =>
    withContainer({}, async (engine, _id, plan) => {
      await assert.rejects(engine.createContainer(plan), isConflict);
    }));

  test(`${name}: what is so already is no failure`, () =>
    withContainer({}, async (engine, id) => {
      await engine.stopContainer(id, 1);
      await engine.startContainer(id);
      await engine.startContainer(id);
      await engine.stopContainer(id, 5);
      await engine.stopContainer(id, 5);
      await engine.removeContainer(id);
      await engine.removeContainer(id);
      await engine.stopContainer(id, 1);
    }));

  test(`${name}: what is not there is NotFound`, async () => {
    const { engine } = await open();
    await assert.rejects(engine.inspectContainer('no-such-container'), isNotFound);
    await assert.rejects(engine.startContainer('no-such-container'), isNotFound);
    await assert.rejects(engine.inspectImage('no-such-image:1'), isNotFound);
    const plan = { name: `contract-${run}-none`, image: 'no-such-image:1', labels: {} };
    await assert.rejects(engine.createContainer(plan), isNotFound);
  });

  test(`${name}: nothing is executed in a container that does not run`, () =>
    withContainer({}, async (engine, id) => {
      const plan = { command: ['true'], tty: false, stdin: false, stdout: true, stderr: true };
      await assert.rejects(
        engine.exec(id, plan),
        (error) => error instanceof EngineError && error.reason === 'Conflict',
      );
    }));

  test(`${name}: events tell of start, death and removal in order`, () =>
    withContainer({}, async (engine, id) => {
      const stopping = new AbortController();
      const signal = AbortSignal.any([stopping.signal, soon()]);
      const seen: EngineEvent['action'][] = [];
      const listening = (async () => {
        for await (const event of engine.events(signal)) {
          if (event.containerId !== id) continue;
          if (event.action !== 'other') seen.push(event.action);
          if (event.action === 'destroy') stopping.abort();
        }
      })();
      // Listening begins with the first question that is answered after it.
      await engine.listContainers({ [mark]: run });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await engine.startContainer(id);
      await engine.stopContainer(id, 5);
      await engine.removeContainer(id);
      await listening;
      assert.deepEqual(seen, ['start', 'die', 'destroy']);
    }));
}
