// Cluster DNS as pods and the node see it (needs docker): search domains, headless hosts, aliases, names outside, over UDP and TCP.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { run } from '../../host/commands.ts';
import { type Cluster, eventually, kubectlPath, nodelet, startCluster } from '../rig/cluster.ts';

const examples = join(import.meta.dirname, '../../lab/examples');
const dataDir = join(process.env['NODELET_TEST_DIR'] ?? '', 'nodelet');
let cluster: Cluster;

before(async () => {
  cluster = await startCluster(dataDir);
  await out('apply', '-f', examples);
  await apply(
    pod('web-0', { hostname: 'web-0', subdomain: 'web' }),
    pod('web-1', { hostname: 'web-1', subdomain: 'web' }),
    service('web', { clusterIP: 'None', selector: { app: 'web' }, ports: [{ name: 'http', port: 8080 }] }),
    service('elsewhere', { type: 'ExternalName', externalName: 'hello.default.svc.cluster.local' }),
  );
  await out('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
});

after(async () => {
  await cluster?.interrupt();
});

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const inPod = (...command: string[]): Promise<string> =>
  out('exec', 'two-containers', '-c', 'web', '--', 'timeout', '20', ...command);

async function apply(...objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await run(kubectlPath(), ['apply', '-f', '-'], { env: cluster.kubectlEnv, input });
}

function pod(name: string, spec: object): object {
  const container = { name: 'sleep', image: 'nodelet.local/busybox:1', command: ['sleep', '3600'] };
  const terminationGracePeriodSeconds = 1;
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'web' } } },
    spec: { containers: [container], terminationGracePeriodSeconds, ...spec },
  };
}

function service(name: string, spec: object): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
}

const addressOf = (name: string): Promise<string> => out('get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}');

test('the Service is what every client of a cluster looks for', async () => {
  const text = await out('get', 'service', 'kube-dns', '-n', 'kube-system', '-o', 'json');
  const { metadata, spec } = JSON.parse(text);
  assert.equal(spec.clusterIP, '10.96.0.10');
  assert.equal(spec.selector, undefined);
  assert.deepEqual(metadata.labels, {
    'k8s-app': 'kube-dns',
    'kubernetes.io/cluster-service': 'true',
    'kubernetes.io/name': 'CoreDNS',
  });
  assert.match(await out('cluster-info'), /CoreDNS is running at/);
  assert.match(
    await out('get', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns'),
    /IPv4\s+10053,10053\s+192\.168\.77\.2/,
  );
});

test('a pod is told where to ask, and no event says that cluster DNS is missing', async () => {
  const text = await inPod('cat', '/etc/resolv.conf');
  assert.match(text, /^nameserver 10\.96\.0\.10$/m);
  assert.match(text, /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m);
  assert.match(text, /^options ndots:5$/m);
  assert.doesNotMatch(await out('get', 'events', '-A'), /MissingClusterDNS/);
});

test('a pod finds a service by its short, partial and whole name, and the API by kubernetes', async () => {
  const hello = await addressOf('hello');
  for (const name of ['hello', 'hello.default', 'hello.default.svc', 'hello.default.svc.cluster.local']) {
    // wget resolves as every program does, through the search domains.
    assert.match(await inPod('wget', '-q', '-O', '-', `http://${name}/`), /^hello-[123]$/m, name);
  }
  assert.match(await inPod('nslookup', 'hello.default.svc.cluster.local'), new RegExp(`Address:\\s+${hello}$`, 'm'));
  assert.match(await inPod('nslookup', 'kubernetes.default.svc.cluster.local'), /Address:\s+10\.96\.0\.1$/m);
});

test('a headless service lists its pods, and each by its host name', async () => {
  const ips = await out('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].status.podIP}');
  const [first = '', second = ''] = ips.split(' ');
  await eventually('both pods are listed', async () => {
    const text = await inPod('nslookup', 'web.default.svc.cluster.local');
    return text.includes(first) && text.includes(second) ? true : undefined;
  });
  assert.match(
    await inPod('nslookup', 'web-1.web.default.svc.cluster.local'),
    new RegExp(`Address:\\s+${second}$`, 'm'),
  );
  await inPod('ping', '-c', '1', '-W', '5', 'web-0.web');
});

test('an alias leads to another service, and stops being one when its type changes', async () => {
  const hello = await addressOf('hello');
  assert.match(
    await inPod('nslookup', 'elsewhere.default.svc.cluster.local'),
    new RegExp(`Address:\\s+${hello}$`, 'm'),
  );
  await apply(service('elsewhere', { type: 'ClusterIP', externalName: null, ports: [{ port: 80 }] }));
  const own = await addressOf('elsewhere');
  await eventually('the name has its own address', async () =>
    (await inPod('nslookup', 'elsewhere.default.svc.cluster.local')).includes(own) ? true : undefined,
  );
});

test('the node asks the service address too, by UDP; TCP carries what is larger', async () => {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  resolver.setServers(['10.96.0.10']);
  assert.deepEqual(await resolver.resolve4('hello.default.svc.cluster.local'), [await addressOf('hello')]);
  assert.deepEqual(await resolver.reverse(await addressOf('hello')), ['hello.default.svc.cluster.local']);
  await assert.rejects(resolver.resolve4('nobody.default.svc.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve6('hello.default.svc.cluster.local'), { code: 'ENODATA' });
  const many = Array.from({ length: 200 }, (_, at) => ({ addresses: [`10.200.0.${at + 1}`] }));
  await apply(service('many', { clusterIP: 'None' }), {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints: many, ports: [] },
    metadata: { name: 'many-1', labels: { 'kubernetes.io/service-name': 'many' } },
  });
  await eventually('all come over TCP', async () =>
    (await resolver.resolve4('many.default.svc.cluster.local')).length === 200 ? true : undefined,
  );
});

test('who deletes the slice finds it again; a restart keeps the address', async () => {
  await out('delete', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns');
  await eventually('the slice is there again', async () =>
    /192\.168\.77\.2/.test(
      await out('get', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns'),
    )
      ? true
      : undefined,
  );
  assert.equal(await cluster.interrupt(), 0);
  cluster = await startCluster(dataDir);
  await eventually('a pod is answered again', async () =>
    /hello-[123]/.test(await inPod('wget', '-q', '-O', '-', 'http://hello/')) ? true : undefined,
  );
});

const slices = (): Promise<string> =>
  out('get', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns');

/** A resolver of the host that knows one name. */
async function hostResolver(address: string): Promise<{ close(): void }> {
  const socket = createSocket('udp4').bind(53, address);
  await once(socket, 'listening');
  socket.on('message', (message, { port, address: from }) => {
    const { id = 0, questions = [], additionals = [] } = decode(message);
    const name = questions[0]?.name ?? '';
    const answers = name === 'www.example.com' ? [{ name, type: 'A' as const, ttl: 60, data: '192.0.2.80' }] : [];
    const flags = answers.length > 0 ? 0 : 3;
    socket.send(encode({ type: 'response', id, flags, questions, answers, additionals }), port, from);
  });
  return { close: () => socket.close() };
}

test('`nodelet dns` alone stands beside it, asks the resolvers of its host, and leaves as it came', async () => {
  for (const ip of ['192.168.77.53', '192.168.77.54']) await run('ip', ['address', 'add', `${ip}/32`, 'dev', 'lo']);
  const resolvConf = join(process.env['NODELET_TEST_DIR'] ?? '', 'resolv.conf');
  await writeFile(resolvConf, 'nameserver 192.168.77.53\n');
  const outside = await hostResolver('192.168.77.53');
  const flags = ['--bind-address=192.168.77.54', `--resolv-conf=${resolvConf}`];
  const server = nodelet(['dns', `--kubeconfig=${join(dataDir, 'kube-dns.conf')}`, ...flags]);
  try {
    await eventually('two servers share the Service', async () =>
      /192\.168\.77\.54/.test(await slices()) ? true : undefined,
    );
    const resolver = new Resolver({ timeout: 3000, tries: 2 });
    resolver.setServers(['192.168.77.54:10053']);
    assert.deepEqual(await resolver.resolve4('www.example.com'), ['192.0.2.80']);
    assert.deepEqual(await resolver.resolve4('hello.default.svc.cluster.local'), [await addressOf('hello')]);
    await assert.rejects(resolver.resolve4('nobody.example.com'), { code: 'ENOTFOUND' });
    server.kill('SIGINT');
    const [code] = (await once(server, 'close')) as [number | null];
    assert.equal(code, 0);
    assert.doesNotMatch(await slices(), /192\.168\.77\.54/);
  } finally {
    server.kill('SIGKILL');
    outside.close();
  }
});

test('a Service of somebody else is left alone, and ours does not start beside it', async () => {
  const selector = JSON.stringify({ spec: { selector: { 'k8s-app': 'kube-dns' } } });
  await out('patch', 'service', 'kube-dns', '-n', 'kube-system', '-p', selector);
  await eventually('our slice leaves it', async () => (/192\.168\.77\.2/.test(await slices()) ? undefined : true));
  assert.equal(await cluster.interrupt(), 0);
  cluster = await startCluster(dataDir);
  assert.match(cluster.printed(), /^dns\s+the cluster's own at 10\.96\.0\.10/m);
  assert.doesNotMatch(await slices(), /192\.168\.77\.2/);
});
