// The query of /containerLogs, and which instance of a container a reader means.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogOptions, parseLogQuery } from '../../../../../agent/server/rules/log-query.ts';
import { logSource } from '../../../../../agent/server/rules/log-source.ts';
import type { ContainerStatus, Pod } from '../../../../../kube/types.ts';

const plain: LogOptions = {
  follow: false,
  previous: false,
  timestamps: false,
  since: undefined,
  tail: undefined,
  limitBytes: undefined,
};
const undecodable = { code: 400, body: { message: 'Unable to decode query.' } };
const invalid = { code: 422, body: { message: 'Invalid request.' } };

describe('the query of container logs', () => {
  for (const [query, answer] of [
    ['', { options: plain }],
    ['follow=true&previous=1&timestamps=', { options: { ...plain, follow: true, previous: true, timestamps: true } }],
    ['follow=false&tailLines=0', { options: { ...plain, tail: 0 } }],
    ['tail=all', { options: plain }],
    ['tail=5', { options: { ...plain, tail: 5 } }],
    ['sinceSeconds=10', { options: { ...plain, since: '1.500000000' } }],
    ['sinceSeconds=999999', { options: { ...plain, since: '0.000000000' } }],
    ['sinceTime=1970-01-01T00:00:07Z', { options: { ...plain, since: '7.000000000' } }],
    ['sinceTime=1970-01-01T01:00:07.12%2B01:00', { options: { ...plain, since: '7.120000000' } }],
    ['limitBytes=1', { options: { ...plain, limitBytes: 1 } }],
    ['stream=All', { options: plain }],
    ['stream=Stdout', invalid],
    ['sinceSeconds=0', invalid],
    ['sinceSeconds=1&sinceTime=1970-01-01T00:00:07Z', invalid],
    ['tailLines=-1', invalid],
    ['limitBytes=0', invalid],
    ['tailLines=many', undecodable],
    ['follow=perhaps', undecodable],
    ['sinceTime=yesterday', undecodable],
    ['limitBytes=1e3', undecodable],
  ] as const) {
    it(`"${query}"`, () => assert.deepEqual(parseLogQuery(new URLSearchParams(query), 11_500), answer));
  }
});

const id = (digit: string): string => digit.repeat(64);
const engineId = (digit: string): string => `docker://${id(digit)}`;
const terminated = (digit: string) => ({ terminated: { exitCode: 0, containerID: engineId(digit) } });

function podWith(facts: Partial<ContainerStatus>): Pod {
  const status = { name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, ...facts };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: [{ name: 'c' }] },
    status: { containerStatuses: [status] },
  };
}

describe('the instance that a reader of logs means', () => {
  const running = { state: { running: {} }, containerID: engineId('2'), lastState: terminated('1') };
  const waiting = (reason: string) => ({ state: { waiting: { reason } } });
  for (const [what, status, previous, source] of [
    ['the running one', running, false, { id: id('2') }],
    ['the one before it', running, true, { id: id('1') }],
    ['the terminated one', { state: terminated('3') }, false, { id: id('3') }],
    [
      'the last one while it waits',
      { ...waiting('CrashLoopBackOff'), lastState: terminated('1') },
      false,
      { id: id('1') },
    ],
    [
      'none before the first',
      { state: { running: {} }, containerID: engineId('2') },
      true,
      { refusal: 'previous terminated container "c" in pod "p" not found' },
    ],
    [
      'none while it is created',
      waiting('ContainerCreating'),
      false,
      { refusal: 'container "c" in pod "p" is waiting to start: ContainerCreating' },
    ],
    [
      'none while its image cannot be pulled',
      waiting('ErrImagePull'),
      false,
      { refusal: 'container "c" in pod "p" is waiting to start: image can\'t be pulled' },
    ],
    [
      'none in a back-off of pulls',
      waiting('ImagePullBackOff'),
      false,
      { refusal: 'container "c" in pod "p" is waiting to start: trying and failing to pull image' },
    ],
    ['none without any state', {}, false, { refusal: 'container "c" in pod "p" is waiting to start - no logs yet' }],
    [
      'none with an id that is no id',
      { state: { running: {} }, containerID: 'docker://../../images' },
      false,
      { refusal: 'container "c" in pod "p" is waiting to start - no logs yet' },
    ],
    ['none of another name', { name: 'x' }, false, { refusal: 'container "c" in pod "p" is not available' }],
  ] as const) {
    it(`is ${what}`, () => assert.deepEqual(logSource(podWith(status), 'c', { previous }), source));
  }
});
