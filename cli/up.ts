// `nodelet up`: control plane, DNS, agent and proxy in one foreground process, a line per step, then what to try.
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAgentConfig } from '../agent/config/flags.ts';
import { connectEngine } from '../agent/docker/connect.ts';
import { startAgent } from '../agent/main.ts';
import { parseControlPlaneConfig } from '../controlplane/config/flags.ts';
import { parseDnsConfig, privateNetworks } from '../controlplane/dns/flags.ts';
import { startDns } from '../controlplane/dns/main.ts';
import { type ControlPlane, startControlPlane } from '../controlplane/main.ts';
import { addressAt, formatAddress, parseCidr } from '../host/cidr.ts';
import { systemClock } from '../host/clock.ts';
import { ensureDirectory, writeFileAtomic } from '../host/files.ts';
import { holdLock } from '../host/locks.ts';
import { createLog, type LogLevel } from '../host/log.ts';
import { createApiClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { nodes } from '../kube/resources.ts';
import { parseProxyConfig } from '../proxy/config/flags.ts';
import { startProxy } from '../proxy/main.ts';
import { ensureDocker } from './docker.ts';
import { ensureExampleImage } from './example-image.ts';
import { defaultAddress } from './node-address.ts';
import { step } from './steps.ts';
import type { UpConfig } from './up-flags.ts';

const nodeReadyMs = 60_000;
const clusterDomain = 'cluster.local';

/** Runs everything until `signal` ends; pods and rules stay as they are then. Throws one clear line when a part cannot start. */
export async function up(config: UpConfig, logLevel: LogLevel, signal: AbortSignal): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('must run as root: it manages containers, mounts and network rules');
  await ensureDirectory(config.dataDir, 0o750);
  const lock = await holdLock(config.dataDir);
  if (!lock) throw new Error(`data directory "${config.dataDir}" is in use by another nodelet`);
  const running: { stop(): Promise<void> }[] = [];
  try {
    await startParts(config, logLevel, signal, running);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    console.log('stopping: pods stay as they are, the next start adopts them');
  } finally {
    for (const part of running.reverse()) await part.stop();
    lock.release();
  }
}

async function startParts(
  config: UpConfig,
  logLevel: LogLevel,
  signal: AbortSignal,
  running: { stop(): Promise<void> }[],
): Promise<void> {
  const startedAt = performance.now();
  const { dataDir, dockerSocket } = config;
  const nodeIp = config.nodeIp ?? (await defaultAddress());
  await step('docker', async () => {
    const how = await ensureDocker(dockerSocket, dataDir, signal);
    const engine = await connectEngine(dockerSocket);
    const { version } = await engine.info(signal);
    return `${how}, version ${version}; image ${await ensureExampleImage(engine)}`;
  });
  let control: ControlPlane | undefined;
  await step('control plane', async () => {
    control = await startControlPlane(parseControlPlaneConfig(controlPlaneFlags(config, nodeIp)), {
      log: createLog('controlplane', logLevel),
      signal,
    });
    running.push(control);
    return control.server;
  });
  if (!control) throw new Error('the control plane did not start');
  const credentials = await writeCredentials(config, nodeIp, control);
  let clusterDns = '';
  await step('dns', async () => {
    const dns = await startDns(parseDnsConfig(dnsFlags(config, nodeIp, credentials)), {
      log: createLog('dns', logLevel),
      signal,
    });
    running.push(dns);
    clusterDns = dns.clusterIp;
    return dns.isServing ? `${clusterDomain} at ${clusterDns}` : `the cluster's own at ${clusterDns}`;
  });
  await step('agent', async () => {
    await installPlugin(config.cniBinDir);
    const agentConfig = await parseAgentConfig(agentFlags(config, nodeIp, clusterDns, credentials));
    running.push(await startAgent(agentConfig, { log: createLog('kubelet', logLevel), signal }));
    return `node ${config.nodeName} at ${nodeIp}`;
  });
  await step('proxy', async () => {
    const proxyConfig = await parseProxyConfig(proxyFlags(config, credentials));
    running.push(await startProxy(proxyConfig, { log: createLog('kube-proxy', logLevel), signal }));
    return `services ${config.serviceCidr}`;
  });
  await step('node ready', () => nodeReady(control as ControlPlane, config.nodeName, signal));
  sayReady(control, performance.now() - startedAt);
}

function sayReady({ adminKubeconfigPath }: ControlPlane, tookMs: number): void {
  console.log(`ready in ${(tookMs / 1000).toFixed(1)} s`);
  console.log(`\n  export KUBECONFIG=${adminKubeconfigPath}\n  kubectl get nodes\n  kubectl apply -f lab/examples/\n`);
}

interface Credentials {
  readonly ca: string;
  readonly kubelet: string;
  readonly kubeletCert: string;
  readonly kubeletKey: string;
  readonly proxy: string;
  readonly dns: string;
}

async function writeCredentials(
  { dataDir, nodeName }: UpConfig,
  nodeIp: string,
  control: ControlPlane,
): Promise<Credentials> {
  const files: Credentials = {
    ca: join(dataDir, 'ca.crt'),
    kubelet: join(dataDir, 'kubelet.conf'),
    kubeletCert: join(dataDir, 'kubelet.crt'),
    kubeletKey: join(dataDir, 'kubelet.key'),
    proxy: join(dataDir, 'kube-proxy.conf'),
    dns: join(dataDir, 'kube-dns.conf'),
  };
  await writeFileAtomic(files.ca, control.ca, 0o644);
  const user = `system:node:${nodeName}`;
  await control.writeKubeconfig(files.kubelet, { name: `kubelet-${nodeName}`, user, groups: ['system:nodes'] });
  await control.writeKubeconfig(files.proxy, { name: 'kube-proxy', user: 'system:kube-proxy' });
  await control.writeKubeconfig(files.dns, { name: 'kube-dns', user: 'system:kube-dns' });
  const serving = await control.servingCertificateFor({
    name: `kubelet-serving-${nodeName}`,
    commonName: user,
    groups: ['system:nodes'],
    names: [nodeName, nodeIp],
  });
  await writeFileAtomic(files.kubeletCert, serving.cert, 0o644);
  await writeFileAtomic(files.kubeletKey, serving.key, 0o600);
  return files;
}

function controlPlaneFlags(config: UpConfig, nodeIp: string): string[] {
  return [
    `--data-dir=${config.dataDir}`,
    `--advertise-address=${nodeIp}`,
    `--secure-port=${config.apiPort}`,
    `--cluster-cidr=${config.clusterCidr}`,
    `--service-cidr=${config.serviceCidr}`,
  ];
}

function dnsFlags(
  { nodeName, serviceCidr, clusterCidr }: UpConfig,
  nodeIp: string,
  credentials: Credentials,
): string[] {
  const services = parseCidr(serviceCidr);
  return [
    `--kubeconfig=${credentials.dns}`,
    `--bind-address=${nodeIp}`,
    `--node-name=${nodeName}`,
    `--cluster-domain=${clusterDomain}`,
    `--allow-from=${privateNetworks},${clusterCidr}`,
    // The tenth address, as everybody expects it.
    ...(services ? [`--cluster-dns=${formatAddress(addressAt(services, 10n))}`] : []),
  ];
}

function agentFlags(config: UpConfig, nodeIp: string, clusterDns: string, credentials: Credentials): string[] {
  const { dataDir } = config;
  return [
    `--kubeconfig=${credentials.kubelet}`,
    `--hostname-override=${config.nodeName}`,
    `--node-ip=${nodeIp}`,
    `--root-dir=${join(dataDir, 'kubelet')}`,
    `--cgroup-root=${config.cgroupRoot}`,
    `--pod-logs-dir=${join(dataDir, 'log/pods')}`,
    `--docker-host=unix://${config.dockerSocket}`,
    `--cni-bin-dir=${config.cniBinDir}`,
    `--cni-conf-dir=${config.cniConfDir}`,
    `--cluster-cidr=${config.clusterCidr}`,
    `--cluster-dns=${clusterDns}`,
    `--cluster-domain=${clusterDomain}`,
    `--client-ca-file=${credentials.ca}`,
    `--tls-cert-file=${credentials.kubeletCert}`,
    `--tls-private-key-file=${credentials.kubeletKey}`,
    '--fail-cgroupv1=false',
  ];
}

function proxyFlags(config: UpConfig, credentials: Credentials): string[] {
  return [
    `--kubeconfig=${credentials.proxy}`,
    `--hostname-override=${config.nodeName}`,
    `--cluster-cidr=${config.clusterCidr}`,
  ];
}

/** The bridge plugin as an executable, for configurations that chain it; the agent itself calls it as a library. */
async function installPlugin(binDir: string): Promise<void> {
  await ensureDirectory(binDir);
  // Bundled beside the program; an unbuilt run has the sources.
  const built = join(import.meta.dirname ?? __dirname, 'cni');
  await copyFile(join(built, 'nodelet-bridge.cjs'), join(binDir, 'nodelet-bridge.cjs')).catch(() => {});
  await writeFile(
    join(binDir, 'nodelet-bridge'),
    `#!/bin/sh\nexec ${process.execPath} ${join(binDir, 'nodelet-bridge.cjs')}\n`,
    {
      mode: 0o755,
    },
  );
}

async function nodeReady(control: ControlPlane, name: string, signal: AbortSignal): Promise<string> {
  const client = createApiClient(
    await control.endpointFor({ name: 'admin', user: 'kubernetes-admin', groups: ['system:masters'] }),
  );
  try {
    for (const end = Date.now() + nodeReadyMs; Date.now() < end; await systemClock.sleep(50, signal)) {
      const node = await client.get(nodes, { name }, signal).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      const ready = node?.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status === 'True') return name;
    }
    throw new Error(`node "${name}" did not become Ready within ${nodeReadyMs / 1000} s`);
  } finally {
    await client.close();
  }
}
