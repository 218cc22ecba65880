// Pods as users meet them: what is filled in, what is refused, what kubectl shows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podSummary } from '../../../../../controlplane/apiserver/kinds/pod/columns.ts';
import { defaultPod, pullPolicyOf } from '../../../../../controlplane/apiserver/kinds/pod/defaults.ts';
import { qosClass } from '../../../../../controlplane/apiserver/kinds/pod/qos.ts';
import { podCauses } from '../../../../../controlplane/apiserver/kinds/pod/validation.ts';
import type { ApiObject, JsonObject } from '../../../../../controlplane/apiserver/model.ts';

const pod = (spec: object, status: object = {}, metadata: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', ...metadata },
  spec: structuredClone(spec),
  status,
});

test('a pod that says nothing is filled in as the API documents', () => {
  const one = pod({
    containers: [
      { name: 'a', image: 'busybox', ports: [{ containerPort: 80 }], livenessProbe: { httpGet: { port: 80 } } },
    ],
    volumes: [{ name: 'v' }],
  });
  defaultPod(one);
  assert.deepEqual(one['spec'], {
    containers: [
      {
        name: 'a',
        image: 'busybox',
        imagePullPolicy: 'Always',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
      },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
});

test('images without a fixed tag are pulled every time', () => {
  const cases = {
    nginx: 'Always',
    'nginx:latest': 'Always',
    'nginx:1.9': 'IfNotPresent',
    'host:5000/nginx': 'Always',
    'nginx@sha256:ab': 'IfNotPresent',
  };
  for (const [image, expected] of Object.entries(cases)) assert.equal(pullPolicyOf(image), expected, image);
});

const resources = (requests?: object, limits?: object): JsonObject => ({
  containers: [{ resources: { requests, limits } }],
});
test('quality of service follows from requests and limits', () => {
  assert.equal(qosClass(resources()), 'BestEffort');
  assert.equal(qosClass(resources({ cpu: '1' })), 'Burstable');
  assert.equal(qosClass(resources({ cpu: '1', memory: '1Gi' }, { cpu: '1000m', memory: '1024Mi' })), 'Guaranteed');
  assert.equal(qosClass(resources({ cpu: '1', memory: '1Gi' }, { cpu: '2', memory: '1Gi' })), 'Burstable');
});

const container = { name: 'a', image: 'x' };
const wrong: [string, object, string[]][] = [
  ['no containers', { containers: [] }, ['spec.containers: Required value']],
  ['no image', { containers: [{ name: 'a' }] }, ['spec.containers[0].image: Required value']],
  ['a name twice', { containers: [container, container] }, ['spec.containers[1].name: Duplicate value: "a"']],
  [
    'a mount without its volume',
    { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    'a request above its limit',
    { containers: [{ ...container, resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }] },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
  [
    'a port out of range',
    { containers: [{ ...container, ports: [{ containerPort: 70000 }] }] },
    ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'a probe without handler',
    { containers: [{ ...container, livenessProbe: { successThreshold: 1 } }] },
    ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  ],
  [
    'two sources of one volume',
    { containers: [container], volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x', type: '' } }] },
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'a path that climbs',
    {
      containers: [container],
      volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: '../etc' }] } }],
    },
    ['spec.volumes[0].configMap.items[0].path: Invalid value: "../etc": must not contain \'..\''],
  ],
  [
    'an unknown restart policy',
    { containers: [container], restartPolicy: 'Maybe' },
    ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure"'],
  ],
];
for (const [name, spec, expected] of wrong) {
  test(`${name} is refused`, () => {
    const texts = podCauses(pod(spec), undefined, '').map(({ field, message }) => `${field}: ${message}`);
    assert.deepEqual(texts, expected);
  });
}

test('of a pod that is there only the image and a few others change', () => {
  const old = pod({ containers: [container], tolerations: [{ key: 'a', operator: 'Exists' }] });
  const image = pod({
    containers: [{ ...container, image: 'y' }],
    tolerations: [
      { key: 'a', operator: 'Exists' },
      { key: 'b', operator: 'Exists' },
    ],
  });
  assert.deepEqual(podCauses(image, old, ''), []);
  assert.deepEqual(
    podCauses(pod({ containers: [{ ...container, command: ['x'] }] }), old, '').map(({ field, reason }) => [
      field,
      reason,
    ]),
    [['spec', 'FieldValueForbidden']],
  );
});

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const running = { state: { running: {} }, ready: true, restartCount: 0 };
const summaries: [string, ApiObject, object][] = [
  [
    'runs',
    pod({ containers: [container] }, { phase: 'Running', containerStatuses: [{ name: 'a', ...running }] }),
    { ready: '1/1', status: 'Running', restarts: '0' },
  ],
  [
    'crashes',
    pod(
      { containers: [container] },
      {
        phase: 'Running',
        containerStatuses: [
          {
            name: 'a',
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { finishedAt: '2026-01-01T00:59:30Z' } },
          },
        ],
      },
    ),
    { ready: '0/1', status: 'CrashLoopBackOff', restarts: '3 (30s ago)' },
  ],
  [
    'initialises',
    pod(
      { containers: [container], initContainers: [{ name: 'i' }, { name: 'j' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', state: { terminated: { exitCode: 0 } } },
          { name: 'j', state: { running: {} } },
        ],
      },
    ),
    { ready: '0/1', status: 'Init:1/2', restarts: '0' },
  ],
  [
    'ends',
    pod(
      { containers: [container] },
      {
        phase: 'Succeeded',
        containerStatuses: [{ name: 'a', state: { terminated: { reason: 'Completed', exitCode: 0 } } }],
      },
    ),
    { ready: '0/1', status: 'Completed', restarts: '0' },
  ],
  [
    'goes',
    pod(
      { containers: [container] },
      { phase: 'Running', containerStatuses: [{ name: 'a', ...running }] },
      { deletionTimestamp: '2026-01-01T00:59:00Z' },
    ),
    { ready: '1/1', status: 'Terminating', restarts: '0' },
  ],
];
for (const [name, one, expected] of summaries) {
  test(`kubectl shows a pod that ${name}`, () => assert.deepEqual(podSummary(one, nowMs), expected));
}
