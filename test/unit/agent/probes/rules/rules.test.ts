// The rules of probing: thresholds, when to ask, ports, headers, redirects, gRPC bytes, words.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProbeType } from '../../../../../agent/probes/model.ts';
import { dialFailure, goDuration, requestFailure } from '../../../../../agent/probes/rules/go-text.ts';
import { checkRequest, judgeGrpc, servingStatus } from '../../../../../agent/probes/rules/grpc.ts';
import { followRedirect, judgeAnswer, probeHeaders, probeUrl } from '../../../../../agent/probes/rules/http.ts';
import { expandCommand, probePort } from '../../../../../agent/probes/rules/ports.ts';
import { count, newTally } from '../../../../../agent/probes/rules/tally.ts';
import { isDue, type ProbeScene, pauseMs, probedContainers } from '../../../../../agent/probes/rules/turn.ts';
import { container, exited, observedContainer, pod } from '../../../../builders/pod.ts';

describe('findings become a verdict', () => {
  const table: readonly [string, ProbeType, string, number, number, boolean | undefined, boolean][] = [
    ['the first success counts', 'readiness', '+', 1, 3, true, false],
    ['two failures of three do not', 'readiness', '+--', 1, 3, true, false],
    ['three do', 'readiness', '+---', 1, 3, false, false],
    ['a success in between starts anew', 'readiness', '+--+--', 1, 3, true, false],
    ['readiness may want several successes', 'readiness', '---+', 2, 3, false, false],
    ['and gets them', 'readiness', '---++', 2, 3, true, false],
    ['liveness that failed is asked no more', 'liveness', '+---', 1, 3, false, true],
    ['liveness that succeeded is', 'liveness', '+', 1, 3, true, false],
    ['startup that succeeded is asked no more', 'startup', '--+', 1, 3, true, true],
    ['startup that failed neither', 'startup', '---', 1, 3, false, true],
  ];
  for (const [name, type, findings, successThreshold, failureThreshold, verdict, isOnHold] of table) {
    test(name, () => {
      const probe = { successThreshold, failureThreshold };
      const tally = [...findings].reduce((sum, finding) => count(sum, type, probe, finding === '+'), newTally('c'));
      assert.deepEqual([tally.verdict, tally.isOnHold], [verdict, isOnHold]);
    });
  }
});

describe('a probe', () => {
  const scene: ProbeScene = {
    type: 'readiness',
    probe: { initialDelaySeconds: 5 },
    record: observedContainer('main', { startedAtMs: 0 }),
    tally: undefined,
    isStarted: true,
  };
  const table: readonly [string, Partial<ProbeScene>, number, boolean][] = [
    ['asks', {}, 5000, true],
    ['waits for its initial delay', {}, 4999, false],
    ['waits for a container', { record: undefined }, 5000, false],
    ['does not ask a dead one', { record: exited('main', 1) }, 5000, false],
    ['waits for the start', { isStarted: false }, 5000, false],
    ['of startup asks before it', { type: 'startup', isStarted: false }, 5000, true],
    ['of startup does not after', { type: 'startup' }, 5000, false],
    ['that is on hold does not ask', { tally: { ...newTally('main-0'), isOnHold: true } }, 5000, false],
  ];
  for (const [name, over, nowMs, want] of table) {
    test(name, () => assert.equal(isDue({ ...scene, ...over }, nowMs), want));
  }

  test('looks again after its period, or when its initial delay is over', () => {
    const probe = { initialDelaySeconds: 5, periodSeconds: 10 };
    const record = observedContainer('main', { startedAtMs: 1000 });
    assert.deepEqual(
      [
        pauseMs({ probe, record }, 2000, 2000),
        pauseMs({ probe, record }, 6000, 6500),
        pauseMs({ probe, record }, 6000, 99_000),
        pauseMs({ probe, record: undefined }, 0, 0),
      ],
      [4000, 9500, 0, 10_000],
    );
  });

  test('is made for regular containers and sidecars', () => {
    const spec = {
      initContainers: [container('once'), container('proxy', { restartPolicy: 'Always' })],
      ephemeralContainers: [{ name: 'debug', image: 'x' }],
    };
    assert.deepEqual(
      probedContainers(pod(spec)).map(({ fieldPath }) => fieldPath),
      ['spec.initContainers{proxy}', 'spec.containers{main}'],
    );
  });
});

describe('ports and commands', () => {
  const main = container('main', {
    ports: [{ name: 'web', containerPort: 8080 }],
    env: [
      { name: 'A', value: 'x' },
      { name: 'B', valueFrom: {} },
    ],
  });

  test('a port is a number, a name or a number in quotes', () => {
    assert.deepEqual([probePort(80, main), probePort('web', main), probePort('443', main)], [80, 8080, 443]);
    assert.throws(() => probePort('nope', main), new RangeError('strconv.Atoi: parsing "nope": invalid syntax'));
    assert.throws(() => probePort(0, main), new RangeError('invalid port number: 0'));
    assert.throws(() => probePort('65536', main), new RangeError('invalid port number: 65536'));
  });

  test('a command is expanded from literal values only', () => {
    assert.deepEqual(expandCommand(['$(A)$(A)', '$(B)', '$(C)', '$$(A)', '$$$(A)', '$(A', '$A $'], main), [
      'xx',
      '$(B)',
      '$(C)',
      '$(A)',
      '$x',
      '$(A',
      '$A $',
    ]);
  });
});

describe('HTTP', () => {
  const urls: readonly [string | undefined, string, string][] = [
    [undefined, '10.0.0.1', 'http://10.0.0.1/'],
    ['healthz', '10.0.0.1', 'http://10.0.0.1/healthz'],
    ['/a?b=c&d', '10.0.0.1', 'http://10.0.0.1/a?b=c&d'],
    ['//evil.example', '10.0.0.1', 'http://10.0.0.1//evil.example'],
    ['/a b', 'fd00::1', 'http://[fd00::1]/a%20b'],
  ];
  for (const [path, host, want] of urls) {
    test(`path ${path} at ${host}`, () =>
      assert.equal(probeUrl(path === undefined ? {} : { path }, host, 80).href, want));
  }

  const headers: readonly [string, { name: string; value: string }[], string[]][] = [
    ['defaults', [], ['Host', 'h:81', 'User-Agent', 'kube-probe/1.36', 'Accept', '*/*']],
    ['an own agent', [{ name: 'user-agent', value: 'me' }], ['Host', 'h:81', 'user-agent', 'me', 'Accept', '*/*']],
    ['no agent', [{ name: 'User-Agent', value: '' }], ['Host', 'h:81', 'Accept', '*/*']],
    [
      'an own host, and an empty header that is no default',
      [
        { name: 'host', value: 'example.com' },
        { name: 'X-Empty', value: '' },
      ],
      ['Host', 'example.com', 'X-Empty', '', 'User-Agent', 'kube-probe/1.36', 'Accept', '*/*'],
    ],
  ];
  for (const [name, httpHeaders, want] of headers) {
    test(`headers: ${name}`, () => assert.deepEqual(probeHeaders({ httpHeaders }, new URL('http://h:81/')), want));
  }

  const first = new URL('http://h:81/a');
  test('redirects stay on the host', () => {
    const stop = { stop: 'answer' };
    assert.deepEqual(followRedirect(first, first, 302, '/b', 0), { to: new URL('http://h:81/b'), keepsHost: true });
    assert.deepEqual(followRedirect(first, first, 301, 'https://h/b', 9), {
      to: new URL('https://h/b'),
      keepsHost: false,
    });
    assert.deepEqual(followRedirect(first, first, 302, '/b', 10), { stop: 'tooMany' });
    assert.deepEqual(followRedirect(first, first, 302, 'http://other/', 0), stop);
    assert.deepEqual(followRedirect(first, first, 302, 'file:///etc/passwd', 0), stop);
    assert.deepEqual(followRedirect(first, first, 302, undefined, 0), stop);
    assert.deepEqual(followRedirect(first, first, 304, '/b', 0), stop);
  });

  test('199 and 400 fail, what is between does not', () => {
    assert.deepEqual(
      [199, 200, 299, 300, 399, 400].map((status) => judgeAnswer(status, '').result),
      ['failure', 'success', 'success', 'warning', 'warning', 'failure'],
    );
  });
});

describe('gRPC', () => {
  test('a request is a frame around the name of the service', () => {
    assert.equal(checkRequest('').toString('hex'), '0000000000');
    assert.equal(checkRequest('up').toString('hex'), '00000000040a027570');
    assert.equal(checkRequest('x'.repeat(200)).subarray(0, 8).toString('hex'), '00000000cb0ac801');
  });

  test('an answer without a field is the first of its values', () => {
    assert.equal(servingStatus(Buffer.from([0, 0, 0, 0, 0])), 'UNKNOWN');
    assert.equal(servingStatus(Buffer.from([0, 0, 0, 0, 2, 8, 3])), 'SERVICE_UNKNOWN');
  });

  const answer = { httpStatus: 200, grpcStatus: 0, grpcMessage: '', body: Buffer.from([0, 0, 0, 0, 2, 8, 1]) };
  const table: readonly [string, Partial<typeof answer> | { grpcStatus: undefined; httpStatus: number }, string][] = [
    ['serving', {}, 'service healthy'],
    ['a deadline of its own', { grpcStatus: 4 }, 'timeout: health rpc did not complete within 1s'],
    [
      'an unknown service',
      { grpcStatus: 5, grpcMessage: 'unknown service' },
      'error: health rpc probe failed: rpc error: code = NotFound desc = unknown service',
    ],
    [
      'a plain web server',
      { grpcStatus: undefined, httpStatus: 404 },
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unexpected HTTP status code received from server: 404',
    ],
  ];
  for (const [name, over, want] of table) {
    test(name, () => assert.equal(judgeGrpc({ ...answer, ...over }, '1s').output, want));
  }
});

test('failures of the network in the words of Go', () => {
  const error = (code: string, message = 'm') => ({ code, message });
  assert.deepEqual(
    [
      dialFailure(error('ECONNREFUSED'), '10.0.0.1', 80),
      dialFailure(error('EHOSTUNREACH'), 'fd00::1', 80),
      dialFailure(error('ENOTFOUND'), 'nobody', 80),
      requestFailure(error('ECONNRESET', 'socket hang up'), 'h', 1),
      requestFailure(error('ECONNRESET', 'read ECONNRESET'), 'h', 1),
      goDuration(1000),
      goDuration(90_000),
      goDuration(3_600_000),
      goDuration(300),
    ],
    [
      'dial tcp 10.0.0.1:80: connect: connection refused',
      'dial tcp [fd00::1]:80: connect: no route to host',
      'dial tcp: lookup nobody: no such host',
      'EOF',
      'read: connection reset by peer',
      '1s',
      '1m30s',
      '1h0m0s',
      '300ms',
    ],
  );
});
