// The API server alone, through real kubectl (where there is one) and through our own client: what users and programs ask of it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { type ApiServer, createApiServer } from '../../controlplane/apiserver/server.ts';
import {
  issueClientCertificate,
  issueServingCertificate,
  openPki,
  type Pki,
  serviceAccountKeys,
} from '../../controlplane/pki/pki.ts';
import { openSqliteStore } from '../../controlplane/store/sqlite.ts';
import type { Store } from '../../controlplane/store/store.ts';
import { systemClock as clock } from '../../host/clock.ts';
import { silentLog as log } from '../../host/log.ts';
import { type ApiClient, type ApiEndpoint, createApiClient } from '../../kube/client.ts';
import { ApiError, isForbidden } from '../../kube/errors.ts';
import { renderKubeconfig } from '../../kube/kubeconfig.ts';
import { configMaps, leases, nodes, pods, serviceAccounts, services } from '../../kube/resources.ts';
import type { Node, Pod } from '../../kube/types.ts';

const run = promisify(execFile);
const limit = (): AbortSignal => AbortSignal.timeout(20_000);
let directory = '';
let pki: Pki;
let store: Store;
let server: ApiServer;
const clients: ApiClient[] = [];

before(async () => {
  directory = await mkdtemp(join(process.env['NODELET_TEST_DIR'] ?? tmpdir(), 'apiserver-'));
  pki = await openPki(join(directory, 'pki'), { clock, log });
  store = openSqliteStore(join(directory, 'store.db'));
  server = await startServer(0);
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  await admin.create(serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace: 'default', uid: '' },
  });
});

after(async () => {
  for (const client of clients) await client.close();
  await server?.close();
  await store?.close();
  await rm(directory, { recursive: true, force: true });
});

async function startServer(port: number): Promise<ApiServer> {
  const tls = await issueServingCertificate(pki, {
    name: 'apiserver',
    commonName: 'kube-apiserver',
    names: ['127.0.0.1'],
  });
  const kubelet = await issueClientCertificate(pki, { name: 'kubelet-client', user: 'kubelet-client' });
  return createApiServer({
    ...{ store, address: '127.0.0.1', port, tls, clientCa: pki.ca.cert, log, clock },
    serviceAccounts: { issuer: 'https://kubernetes.default.svc', ...(await serviceAccountKeys(pki)) },
    ...{ serviceCidr: '10.96.0.0/24', nodePortRange: '30000-30009' },
    kubeletClient: { ...kubelet, ca: pki.ca.cert },
  });
}

const url = (): string => `https://127.0.0.1:${server.port}`;

async function endpointFor(user: string, groups: string[] = []): Promise<ApiEndpoint> {
  const { cert, key } = await issueClientCertificate(pki, { name: user.replaceAll(':', '-'), user, groups });
  return { server: url(), ca: pki.ca.cert, cert, key };
}

async function clientFor(user: string, groups: string[] = []): Promise<ApiClient> {
  const client = createApiClient(await endpointFor(user, groups));
  clients.push(client);
  return client;
}

const pod = (name: string, spec: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid: '' },
  spec: { containers: [{ name: 'main', image: 'busybox' }], ...spec },
});

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => assert.fail('was not refused'),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof ApiError, String(error));
  return error;
}

test('two writers of one object: the second one conflicts', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const made = await admin.create(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'shared', namespace: 'default', uid: '' },
    data: { a: '1' },
  });
  await admin.update(configMaps, { ...made, data: { a: '2' } });
  assert.equal((await refusal(admin.update(configMaps, { ...made, data: { a: '3' } }))).reason, 'Conflict');
  assert.equal((await refusal(admin.create(configMaps, made))).reason, 'BadRequest');
});

test('a list goes on page by page, and says what is left', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  for (const name of ['p1', 'p2', 'p3']) {
    await admin.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'default', uid: '', labels: { page: 'yes' } },
    });
  }
  const first = await admin.list(configMaps, { namespace: 'default', labelSelector: 'page=yes', limit: 2 });
  assert.deepEqual(
    first.items.map(({ metadata }) => metadata.name),
    ['p1', 'p2'],
  );
  const rest = await admin.list(configMaps, {
    namespace: 'default',
    labelSelector: 'page=yes',
    limit: 2,
    continue: first.metadata.continue ?? '',
  });
  assert.deepEqual(
    rest.items.map(({ metadata }) => metadata.name),
    ['p3'],
  );
  assert.equal(rest.metadata.continue, undefined);
});

test('a watch shows objects as they enter and leave its selection', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const { metadata } = await admin.list(configMaps, { namespace: 'default' });
  const change = (labels: object) =>
    admin.patch(configMaps, { namespace: 'default', name: 'seen' }, { type: 'merge', body: { metadata: { labels } } });
  await admin.create(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'seen', namespace: 'default', uid: '' },
  });
  await change({ view: 'yes' });
  await change({ more: '1' });
  await change({ view: null });
  const seen: string[] = [];
  const ending = new AbortController();
  const watch = admin.watch(
    configMaps,
    { namespace: 'default', labelSelector: 'view=yes', resourceVersion: metadata.resourceVersion ?? '' },
    AbortSignal.any([limit(), ending.signal]),
  );
  for await (const event of watch) {
    seen.push(event.type);
    if (event.type === 'DELETED') break;
  }
  ending.abort();
  assert.deepEqual(seen, ['ADDED', 'MODIFIED', 'DELETED']);
});

test('a pod gets its account, its token volume and its place; it lingers until its node lets go', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const made = await admin.create(pods, pod('life'));
  assert.equal(made.spec.serviceAccountName, 'default');
  assert.match(made.spec.volumes?.[0]?.name ?? '', /^kube-api-access-[a-z0-9]{5}$/);
  const at = { namespace: 'default', name: 'life' };
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'life' },
    target: { kind: 'Node', name: 'n1' },
  };
  await admin.post(pods, at, 'binding', binding);
  assert.equal((await refusal(admin.post(pods, at, 'binding', binding))).reason, 'Conflict');
  await admin.delete(pods, at);
  assert.equal((await admin.get(pods, at)).metadata.deletionGracePeriodSeconds, 30);
  await admin.delete(pods, at, { gracePeriodSeconds: 0 });
  assert.equal((await refusal(admin.get(pods, at))).reason, 'NotFound');
});

test('what is wrong with a pod is said with its field', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const error = await refusal(
    admin.create(pods, pod('bad', { containers: [{ name: 'a', image: '' }], restartPolicy: 'Maybe' })),
  );
  assert.equal(error.reason, 'Invalid');
  assert.deepEqual(
    error.status?.details?.causes?.map(({ field }) => field),
    ['spec.containers[0].image', 'spec.restartPolicy'],
  );
});

test('services share no address and no node port, and give both back', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const service = (name: string, spec: object = {}) => ({
    apiVersion: 'v1' as const,
    kind: 'Service' as const,
    metadata: { name, namespace: 'default', uid: '' },
    spec: { ports: [{ port: 80 }], ...spec },
  });
  const made = await admin.create(services, service('one', { type: 'NodePort', clusterIP: '10.96.0.9' }));
  const nodePort = made.spec.ports?.[0]?.nodePort;
  assert.ok(nodePort && nodePort >= 30_000 && nodePort <= 30_009);
  assert.match(
    (await refusal(admin.create(services, service('two', { clusterIP: '10.96.0.9' })))).message,
    /provided IP is already allocated/,
  );
  const taken = { type: 'NodePort', ports: [{ port: 80, nodePort }] };
  assert.match(
    (await refusal(admin.create(services, service('two', taken)))).message,
    /provided port is already allocated/,
  );
  await admin.delete(services, { namespace: 'default', name: 'one' });
  await admin.create(services, service('two', { ...taken, clusterIP: '10.96.0.9' }));
  assert.equal((await admin.get(services, { namespace: 'default', name: 'kubernetes' })).spec.clusterIP, '10.96.0.1');
});

test('a node writes itself, its lease and its own pods, and nothing of others', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const node = await clientFor('system:node:n7', ['system:nodes']);
  const self = (name: string): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const lease = (name: string) => ({
    apiVersion: 'coordination.k8s.io/v1' as const,
    kind: 'Lease' as const,
    metadata: { name, namespace: 'kube-node-lease', uid: '' },
    spec: {},
  });
  await admin.request('POST', '/api/v1/namespaces', { metadata: { name: 'kube-node-lease' } });
  await node.create(nodes, self('n7'));
  await node.create(leases, lease('n7'));
  const other = await admin.create(pods, pod('others', { nodeName: 'n8' }));
  const at = { namespace: 'default', name: 'others' };
  const refused = [
    node.create(nodes, self('n8')),
    node.create(leases, lease('n8')),
    node.delete(pods, at),
    node.update(pods, other, 'status'),
    node.create(pods, pod('mine', { nodeName: 'n7' })),
    node.patch(
      nodes,
      { name: 'n7' },
      { type: 'merge', body: { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } } },
    ),
    node.delete(nodes, { name: 'n7' }),
    node.request('GET', '/apis/storage.k8s.io/v1/storageclasses'),
  ];
  for (const one of refused) assert.ok(isForbidden(await refusal(one)));
});

test('nobody without a name sees more than health, version and discovery', async () => {
  const nobody = createApiClient({ server: url(), ca: pki.ca.cert });
  clients.push(nobody);
  assert.equal((await refusal(nobody.list(pods))).reason, 'Unauthorized');
  assert.ok(await nobody.request('GET', '/version'));
  assert.ok(await nobody.request('GET', '/apis'));
  const liar = createApiClient({ server: url(), ca: pki.ca.cert, token: async () => 'eyJhbGciOiJub25lIn0.e30.' });
  clients.push(liar);
  assert.equal((await refusal(liar.request('GET', '/version'))).reason, 'Unauthorized');
});

test('a request to act as somebody else is refused, not done as oneself', async () => {
  const { ca = '', cert = '', key = '' } = await endpointFor('kubernetes-admin', ['system:masters']);
  const headers = { 'impersonate-user': 'somebody' };
  const code = await new Promise<number | undefined>((resolve, reject) => {
    get(`${url()}/api/v1/pods`, { ca, cert, key, headers, agent: false }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode);
    }).on('error', reject);
  });
  assert.equal(code, 403);
});

test('nothing is created in a namespace that is not there', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const lost = { ...pod('lost'), metadata: { name: 'lost', namespace: 'nowhere', uid: '' } };
  const { reason, message } = await refusal(admin.create(pods, lost));
  assert.equal(reason, 'NotFound');
  assert.match(message, /namespaces "nowhere" not found$/);
});

test('a token speaks for its account, and dies with the pod that it is bound to', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const made = await admin.create(pods, pod('bound'));
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'bound', uid: made.metadata.uid };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } };
  const answer = await admin.post<{ status: { token: string } }>(
    serviceAccounts,
    { namespace: 'default', name: 'default' },
    'token',
    body,
  );
  const account = createApiClient({ server: url(), ca: pki.ca.cert, token: async () => answer.status.token });
  clients.push(account);
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const who = await account.request<{ status: { userInfo: { username: string } } }>(
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    review,
  );
  assert.equal(who.status.userInfo.username, 'system:serviceaccount:default:default');
  assert.ok(isForbidden(await refusal(account.list(pods, { namespace: 'default' }))));
  await admin.delete(pods, { namespace: 'default', name: 'bound' });
  assert.equal((await refusal(account.request('GET', '/version'))).reason, 'Unauthorized');
});

test('a body that is too large, compressed or not an object is refused', async () => {
  const admin = await clientFor('kubernetes-admin', ['system:masters']);
  const large = { metadata: { name: 'large' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } };
  const path = '/api/v1/namespaces/default/configmaps';
  assert.equal((await refusal(admin.request('POST', path, large))).code, 413);
  assert.equal((await refusal(admin.request('POST', path, [1]))).code, 400);
  const polluted = JSON.parse('{"metadata":{"name":"proto"},"data":{"__proto__":"x","constructor":"y"}}');
  const made = await admin.request<{ data: object }>('POST', path, polluted);
  assert.deepEqual(Object.entries(made.data).sort(), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
});

test('a port that is taken is a clear error', async () => {
  await assert.rejects(startServer(server.port), { name: 'ListenError', reason: 'PortInUse' });
});

function newestKubectl(): string | undefined {
  const found = [
    ...globSync('/usr/lib/google-cloud-sdk/bin/kubectl.1.*'),
    '/usr/local/bin/kubectl',
    '/usr/bin/kubectl',
  ];
  const minor = (file: string): number => Number(/\.1\.(\d+)$/.exec(file)?.[1] ?? 0);
  return found.filter((file) => existsSync(file)).sort((a, b) => minor(b) - minor(a))[0];
}

const manifest = `
apiVersion: v1
kind: Pod
metadata: {name: shown, labels: {app: shown}}
spec:
  containers: [{name: web, image: "nginx:1", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shown}
spec: {selector: {app: shown}, ports: [{port: 80}]}
`;

test('kubectl works as on any cluster', { skip: newestKubectl() === undefined && 'no kubectl here' }, async () => {
  const file = join(directory, 'shown.yaml');
  const config = join(directory, 'admin.conf');
  await writeFile(file, manifest);
  const { ca = '', cert = '', key = '' } = await endpointFor('kubernetes-admin', ['system:masters']);
  await writeFile(config, renderKubeconfig({ cluster: 'test', user: 'admin', server: url(), ca, cert, key }));
  const kubectl = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, HOME: directory };
    const { stdout } = await run(newestKubectl() ?? '', ['--kubeconfig', config, ...args], { env, timeout: 30_000 });
    return stdout.trim();
  };
  const steps: [args: string, expected: RegExp][] = [
    [`apply -f ${file}`, /^pod\/shown created\nservice\/shown created$/],
    [`apply -f ${file}`, /^pod\/shown unchanged\nservice\/shown unchanged$/],
    [
      'get pods shown -o wide',
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\nshown +0\/1 +Pending +0 +\d+s +<none> +<none> +<none> +<none>$/,
    ],
    ['get svc shown', /shown +ClusterIP +10\.96\.0\.\d+ +<none> +80\/TCP/],
    ['label pod shown tier=front', /labeled/],
    ['annotate pod shown note=x', /annotated/],
    ['get pods -l tier=front -L tier -o name', /^pod\/shown$/],
    ['patch pod shown -p {"metadata":{"labels":{"p":"1"}}}', /patched/],
    ['patch pod shown --type=json -p [{"op":"remove","path":"/metadata/labels/p"}]', /patched/],
    ['set image pod/shown web=nginx:2', /image updated/],
    ['describe pod shown', /Image: +nginx:2/],
    ['create configmap made --from-literal=key=value', /configmap\/made created/],
    ['get configmap made -o jsonpath={.data.key}', /^value$/],
    ['create secret generic made --from-literal=key=value', /secret\/made created/],
    ['get secret made', /made +Opaque +1/],
    ['create token default', /^eyJ/],
    ['auth can-i create pods', /^yes$/],
    ['explain pod.spec.containers.image', /FIELD: image <string>/],
    ['api-resources', /pods +po +v1 +true +Pod/],
    ['get --raw /healthz', /^ok$/],
    ['delete pod shown', /deleted/],
    ['wait --for=delete pod/shown --timeout=10s', /^$/],
    [`delete -f ${file} --ignore-not-found`, /service "shown" deleted/],
  ];
  for (const [args, expected] of steps) assert.match(await kubectl(...args.split(' ')), expected, args);
  const wrong = join(directory, 'wrong.yaml');
  await writeFile(wrong, 'apiVersion: v1\nkind: Pod\nmetadata: {name: wrong}\nspec: {containers: [], nope: 1}\n');
  await assert.rejects(kubectl('create', '--validate=strict', '-f', wrong), /unknown field "spec\.nope"/);
});
