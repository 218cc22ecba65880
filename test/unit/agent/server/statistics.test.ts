// The plain answers of the kubelet API: health, pods, configuration, statistics, metrics.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createHealthzServer } from '../../../../agent/server/healthz.ts';
import { scriptedEngine } from '../../../rig/server/engine.ts';
import {
  ask,
  lookup,
  observedContainer,
  startKubeletServer,
  type TestServer,
  webPod,
} from '../../../rig/server/kubelet-server.ts';

let kubelet: TestServer;
before(async () => {
  const sandbox = { id: 's1', attempt: 0, phase: 'running', createdAtMs: 0, pid: process.pid } as const;
  const sandboxes = [{ ...sandbox, hostNetwork: false, ips: [] }];
  // This process stands for the container's: it has a control group that the machine really counts.
  const containers = [observedContainer('app', { pid: process.pid, startedAtMs: 1000 })];
  kubelet = await startKubeletServer({
    engine: scriptedEngine(async () => 0),
    pods: lookup(webPod, { sandboxes, containers }),
    configuration: () => ({ kind: 'KubeletConfiguration' }),
  });
});
after(() => kubelet.stop());

const get = async (path: string): Promise<string> => (await ask({ ...kubelet.admin, path })).body;

describe('plain answers', { timeout: 30_000 }, () => {
  it('give the pods as a list', async () => {
    assert.deepEqual(JSON.parse(await get('/pods')), {
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: {},
      items: [webPod],
    });
  });

  it('give what runs', async () => {
    assert.deepEqual(JSON.parse(await get('/runningpods/')).items, [
      {
        metadata: { name: 'web', namespace: 'default', uid: 'uid-1' },
        spec: { containers: [{ name: 'app', image: 'busybox', resources: {} }] },
        status: {},
      },
    ]);
  });

  it('give the configuration', async () => {
    assert.deepEqual(JSON.parse(await get('/configz')), { kubeletconfig: { kind: 'KubeletConfiguration' } });
  });

  it('give the summary of a container that is really there', async () => {
    const { node, pods } = JSON.parse(await get('/stats/summary'));
    assert.equal(node.nodeName, 'node-1');
    assert.ok(node.memory.workingSetBytes > 0 && node.cpu.usageCoreNanoSeconds > 0);
    assert.ok(pods[0].containers[0].memory.workingSetBytes > 0);
  });

  it('give metrics of every kind', async () => {
    assert.match(
      await get('/metrics/resource'),
      /^container_cpu_usage_seconds_total\{container="app",.*\} \d\S* \d+$/m,
    );
    assert.match(await get('/metrics/cadvisor'), /^container_memory_working_set_bytes\{container="app",.*\} \d+ \d+$/m);
    const own = await get('/metrics');
    assert.match(own, /^kubelet_running_pods 1$/m);
    assert.match(own, /^kubelet_running_containers\{container_state="running"\} 1$/m);
    assert.match(own, /^kubelet_http_requests_total\{method="GET",path="metrics\/resource",.*\} 1$/m);
    assert.match(own, /^process_resident_memory_bytes \d+$/m);
  });

  it('are refused with 405 where reaching into containers is switched off', async () => {
    const closed = await startKubeletServer({ engine: scriptedEngine(async () => 0), debuggingHandlers: false });
    for (const path of ['/exec/a/b/c', '/attach/a/b/c', '/portForward/a/b', '/containerLogs/a/b/c', '/runningpods/']) {
      const { code, body } = await ask({ ...closed.admin, path });
      assert.deepEqual([path, code, body], [path, 405, 'Debug endpoints are disabled.']);
    }
    await closed.stop();
  });

  it('come from the health port without any credentials, and nothing else does', async () => {
    const health = await createHealthzServer({ address: '127.0.0.1', port: 0 });
    const root = `http://127.0.0.1:${health.port}`;
    assert.equal(await (await fetch(`${root}/healthz`)).text(), 'ok');
    assert.equal((await fetch(`${root}/debug/pprof`)).status, 404);
    await health.stop();
  });
});
