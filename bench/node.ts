// The node agent's figures, in a machine of its own: `node bench/node.ts [pods]`, as root. Some minutes.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { get as httpsGet, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseControlPlaneConfig } from '../controlplane/config/flags.ts';
import { startControlPlane } from '../controlplane/main.ts';
import { run } from '../host/commands.ts';
import { writeFileAtomic } from '../host/files.ts';
import { silentLog } from '../host/log.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { eventually, kubectlPath, nodelet } from '../test/rig/cluster.ts';
import { createMachine } from '../test/rig/machine.ts';

const nodeIp = '192.168.77.2';
const rounds = 15;
const idleSeconds = 20;
const mebi = 1024 * 1024;

const median = (samples: readonly number[]): number => samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0;
const say = (what: string, figure: string, want: string): void =>
  console.log(`${what.padEnd(44)} ${figure.padStart(26)}   ${want}`);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Seconds that a command takes to write all of its output to nowhere. */
const drained = (command: string, env: Record<string, string>): Promise<number> =>
  timed(() => run('sh', ['-c', `${command} > /dev/null`], { env, timeoutMs: 120_000 })).then((ms) => ms / 1000);

const rssMiB = async (pid: number): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8'))
    .replace(/^.*\) /, '')
    .split(' ')
    .map(Number);
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) / 100;
}

interface Bed {
  readonly env: Record<string, string>;
  readonly docker: string;
  readonly door: object;
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  startAgent(): ChildProcess;
  stop(): Promise<void>;
}

async function makeBed(): Promise<Bed> {
  const directory = join(process.env['NODELET_TEST_DIR'] ?? '', 'bench');
  const at = (name: string): string => join(directory, name);
  await mkdir(directory, { recursive: true });
  const plane = await startControlPlane(
    parseControlPlaneConfig([`--data-dir=${directory}`, `--advertise-address=${nodeIp}`]),
    { log: silentLog, signal: new AbortController().signal },
  );
  await plane.writeKubeconfig(at('kubelet.conf'), { name: 'k', user: 'system:node:bench', groups: ['system:nodes'] });
  await writeFileAtomic(at('ca.crt'), plane.ca, 0o644);
  const serving = await plane.servingCertificateFor({
    name: 'kubelet-serving-bench',
    commonName: 'system:node:bench',
    groups: ['system:nodes'],
    names: ['bench', nodeIp],
  });
  await writeFileAtomic(at('kubelet.crt'), serving.cert, 0o644);
  await writeFileAtomic(at('kubelet.key'), serving.key, 0o600);
  const docker = `unix://${process.env['NODELET_TEST_DOCKER']}`;
  const flags = [
    ...[`--kubeconfig=${at('kubelet.conf')}`, '--hostname-override=bench', `--node-ip=${nodeIp}`],
    ...[`--root-dir=${at('kubelet')}`, `--cgroup-root=/nodelet-bench-${process.pid}`, `--docker-host=${docker}`],
    ...[`--pod-logs-dir=${at('log/pods')}`, `--cni-bin-dir=${at('cni/bin')}`, `--cni-conf-dir=${at('cni/net.d')}`],
    ...[`--tls-cert-file=${at('kubelet.crt')}`, `--tls-private-key-file=${at('kubelet.key')}`],
    ...[`--client-ca-file=${at('ca.crt')}`, '--fail-cgroupv1=false', '--container-log-max-size=1Gi', '--max-pods=250'],
  ];
  const env = { KUBECONFIG: plane.adminKubeconfigPath, HOME: directory, DOCKER_HOST: docker };
  const { cert = '', key = '' } = await loadKubeconfig(plane.adminKubeconfigPath);
  return {
    env,
    docker,
    door: { host: nodeIp, port: 10_250, cert, key, rejectUnauthorized: false },
    kubectl: async (args, input) =>
      (await run(kubectlPath(), args, { env, timeoutMs: 180_000, ...(input ? { input } : {}) })).stdout,
    startAgent: () => {
      const child = program(['kubelet', ...flags]);
      child.stdout?.resume();
      child.stderr?.resume();
      return child;
    },
    stop: () => plane.stop(),
  };
}

/** The bundle where it was built, as a node runs it; else the sources, which need more memory. */
function program(args: readonly string[]): ChildProcess {
  const bundle = join(import.meta.dirname, '../dist/nodelet.cjs');
  if (!existsSync(bundle)) return nodelet(args);
  return spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

const pod = (name: string, script: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox:test', command: ['sh', '-c', script] }],
    },
  });

async function idle(pid: number): Promise<void> {
  await sleep(5000);
  const before = await cpuSeconds(pid);
  await sleep(idleSeconds * 1000);
  const percent = (((await cpuSeconds(pid)) - before) / idleSeconds) * 100;
  say('agent without pods: memory', `${(await rssMiB(pid)).toFixed(0)} MiB`, 'want <= 100 MiB');
  say('agent without pods: CPU', `${percent.toFixed(2)} % of a core`, 'want <= 0.5 %');
}

async function execs({ kubectl, docker }: Bed, id: string): Promise<void> {
  const through: number[] = [];
  const direct: number[] = [];
  for (let round = 0; round < rounds; round++) {
    through.push(await timed(() => kubectl(['exec', 'web', '--', 'true'])));
    direct.push(await timed(() => run('docker', ['-H', docker, 'exec', id, 'true'])));
  }
  const [ours, theirs] = [median(through), median(direct)];
  say(
    'kubectl exec true / docker exec true',
    `${ours.toFixed(0)} / ${theirs.toFixed(0)} ms = ${(ours / theirs).toFixed(2)}`,
    'want <= 1.3',
  );
}

async function logs({ env, kubectl }: Bed, pid: number, id: string): Promise<void> {
  const bytes = Number(await kubectl(['logs', 'talker']).then((text) => text.length));
  const before = await rssMiB(pid);
  const through = await drained(`${kubectlPath()} logs talker`, env);
  const direct = await drained(`docker logs ${id}`, env);
  const rate = (seconds: number): string => (bytes / mebi / seconds).toFixed(0);
  say(
    'kubectl logs / docker logs, 100 MB',
    `${rate(through)} / ${rate(direct)} MiB/s = ${(direct / through).toFixed(2)}`,
    'want >= 0.8',
  );
  say('agent memory while logs are read', `${before.toFixed(0)} -> ${(await rssMiB(pid)).toFixed(0)} MiB`, 'want flat');
}

/** Reads until so many bytes have come; MB per second. */
function pull(port: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let left = bytes;
    const socket = connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      left -= chunk.length;
      if (left > 0) return;
      socket.destroy();
      resolve(bytes / 1e6 / ((performance.now() - began) / 1000));
    });
    socket.on('close', () => (left > 0 ? reject(new Error('closed early')) : undefined));
  });
}

async function forwarding({ env, kubectl }: Bed): Promise<void> {
  const ip = (await kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}'])).trim();
  const forward = spawn(kubectlPath(), ['port-forward', 'web', '19000:9000'], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const relay = spawn('socat', ['-b', '65536', 'TCP-LISTEN:19001,fork,reuseaddr', `TCP:${ip}:9000`], {
    stdio: 'ignore',
  });
  try {
    const ours = await eventually('port-forward answers', () => pull(19_000, 300e6));
    const theirs = await eventually('socat answers', () => pull(19_001, 300e6));
    say('port-forward (socat)', `${ours.toFixed(0)} (${theirs.toFixed(0)}) MB/s`, 'want >= 150 MB/s');
  } finally {
    forward.kill();
    relay.kill();
  }
}

const post = (door: object, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = httpsRequest({ ...door, path, method: 'POST' }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end();
  });

/** Resolves with whether a first byte came. */
const follow = (door: object, path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const request = httpsGet({ ...door, path, timeout: 30_000 }, (answer) => {
      answer.once('data', () => {
        request.destroy();
        resolve(true);
      });
    });
    request.on('error', () => resolve(false));
  });

async function crowds({ door }: Bed, pid: number): Promise<void> {
  const runs = await Promise.allSettled(
    Array.from({ length: 100 }, () => post(door, '/run/default/web/main?cmd=true')),
  );
  const served = runs.filter((one) => one.status === 'fulfilled' && one.value === 200).length;
  say('execs at once', `${served} of 100 served`, 'want 100');
  const path = '/containerLogs/default/web/main?follow=true';
  const followers = await Promise.all(Array.from({ length: 200 }, () => follow(door, path)));
  say(
    'log followers at once',
    `${followers.filter(Boolean).length} of 200 served, ${(await rssMiB(pid)).toFixed(0)} MiB`,
    'want 200',
  );
}

const idsOf = async ({ docker }: Bed, name: string): Promise<string> =>
  (await run('docker', ['-H', docker, 'ps', '-aq', '--no-trunc', '--filter', `name=k8s_${name}`])).stdout.trim();

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

async function restart(bed: Bed, agent: ChildProcess, count: number): Promise<ChildProcess> {
  const manifests = Array.from({ length: count }, (_, at) => pod(`many-${at}`, 'exec sleep 3600')).join('\n---\n');
  const startMs = await timed(async () => {
    await bed.kubectl(['apply', '-f', '-'], manifests);
    await bed.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=170s']);
  });
  say(`${count} pods from apply to Ready`, `${(startMs / 1000).toFixed(1)} s`, '');
  const before = await idsOf(bed, 'main');
  await ended(agent);
  const renewed = async (): Promise<string> =>
    bed.kubectl(['get', 'node', 'bench', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}']);
  const beat = await renewed();
  await sleep(1100);
  let next = agent;
  const ms = await timed(async () => {
    next = bed.startAgent();
    await eventually('the node is reported again', async () => ((await renewed()) === beat ? undefined : true));
    await bed.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
  });
  const isSame = (await idsOf(bed, 'main')) === before;
  say(
    `restart with ${count} pods to Ready`,
    `${(ms / 1000).toFixed(1)} s, ${isSame ? 'no container touched' : 'CONTAINERS CHANGED'}`,
    'want <= 3 s',
  );
  say(`agent with ${count} pods: memory`, `${(await rssMiB(next.pid ?? 0)).toFixed(0)} MiB`, '');
  return next;
}

async function measure(count: number): Promise<void> {
  const bed = await makeBed();
  let agent = bed.startAgent();
  try {
    await eventually('the node is Ready', async () =>
      / Ready /.test(await bed.kubectl(['get', 'node', 'bench'])) ? true : undefined,
    );
    const pid = agent.pid ?? 0;
    await idle(pid);
    await bed.kubectl(
      ['apply', '-f', '-'],
      pod('web', 'echo here; while true; do nc -l -p 9000 -e cat /dev/zero; done'),
    );
    await bed.kubectl(
      ['apply', '-f', '-'],
      pod(
        'talker',
        'yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -c 100000000; exec sleep 3600',
      ),
    );
    await bed.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    await execs(bed, await idsOf(bed, 'main_web'));
    await crowds(bed, pid);
    await forwarding(bed);
    await sleep(5000);
    await logs(bed, pid, await idsOf(bed, 'main_talker'));
    agent = await restart(bed, agent, count);
  } finally {
    await ended(agent);
    await bed.stop();
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === '--measure') return measure(Number(args[1]));
  const machine = await createMachine({ docker: true });
  try {
    const [program = '', ...prefix] = machine.enter;
    const command = [...prefix, process.execPath, import.meta.filename, '--measure', args[0] ?? '100'];
    const child = spawn(program, command, {
      env: { ...process.env, ...machine.env },
      stdio: 'inherit',
      timeout: 900_000,
    });
    process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } finally {
    await machine.remove();
  }
}

await main(process.argv.slice(2));
