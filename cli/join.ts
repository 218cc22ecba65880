// `nodelet join`: a machine becomes a node. Find out whom to trust, get certificates, write what the services need, start them.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { run } from '../host/commands.ts';
import { ensureDirectory, removeFile, writeFileAtomic } from '../host/files.ts';
import { type ApiClient, type ApiEndpoint, createApiClient } from '../kube/client.ts';
import { type Issued, obtain } from './join/certificates.ts';
import { type Discovered, discover } from './join/discovery.ts';
import type { JoinConfig } from './join/flags.ts';
import { dataDir, files, kubeletDir, settingsDir, units } from './layout.ts';
import { defaultAddress } from './node-address.ts';
import { step } from './steps.ts';
import { cgroupRootOf } from './up-flags.ts';

const unitStartMs = 120_000;

/** Repeatable until it succeeded once; a machine that is a node already is left as it is. Throws one clear line. */
export async function joinCluster(config: JoinConfig, signal: AbortSignal): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('must run as root: it writes the settings of services');
  if (existsSync(files.kubeletArgs))
    throw new Error(`this machine is a node already, "${files.kubeletArgs}" is there: nodelet reset takes that back`);
  const nodeIp = config.nodeIp ?? (await defaultAddress());
  let cluster: Discovered | undefined;
  await step('cluster', async () => {
    cluster = await discover(config, signal);
    return `${cluster.server} is signed by token ${config.tokenId}`;
  });
  const found = cluster as unknown as Discovered;
  await writeTrust(found, config);
  const node: ApiEndpoint = await getClientCertificate(found, config, signal);
  const client = createApiClient(node);
  try {
    await step('serving certificate', () => getServingCertificate(client, config, nodeIp, signal));
    await step('settings', () => writeSettings(config, nodeIp));
    await step('services', async () => startServices(await mayRunProxy(client, signal)));
  } finally {
    await client.close();
  }
  console.log(`\nthis machine is node "${config.nodeName}"; on the control plane: kubectl get nodes`);
}

/** The bootstrap kubeconfig stays no longer than the first certificate needs. */
async function writeTrust({ server, ca }: Discovered, { tokenId, tokenSecret }: JoinConfig): Promise<void> {
  await ensureDirectory(settingsDir);
  await ensureDirectory(dataDir, 0o750);
  await ensureDirectory(dirname(files.clientPem), 0o700);
  await writeFileAtomic(files.ca, ca, 0o644);
  await writeFileAtomic(files.bootstrap, kubeconfigText(server, { token: `${tokenId}.${tokenSecret}` }), 0o600);
}

async function getClientCertificate(
  { server, ca }: Discovered,
  { nodeName, tokenId, tokenSecret }: JoinConfig,
  signal: AbortSignal,
): Promise<ApiEndpoint> {
  const client = createApiClient({ server, ca, token: async () => `${tokenId}.${tokenSecret}` });
  let issued: Issued | undefined;
  try {
    await step('client certificate', async () => {
      issued = await obtain(client, { nodeName, names: [], use: 'client' }, signal);
      await writeFileAtomic(files.clientPem, issued.cert + issued.key, 0o600);
      const credentials = { 'client-certificate': files.clientPem, 'client-key': files.clientPem };
      await writeFileAtomic(files.kubeconfig, kubeconfigText(server, credentials), 0o600);
      await removeFile(files.bootstrap);
      return `system:node:${nodeName}`;
    });
  } finally {
    await client.close();
  }
  return { server, ca, ...(issued as unknown as Issued) };
}

async function getServingCertificate(
  client: ApiClient,
  { nodeName }: JoinConfig,
  nodeIp: string,
  signal: AbortSignal,
): Promise<string> {
  const issued = await obtain(client, { nodeName, names: [nodeName, nodeIp], use: 'server' }, signal);
  await writeFileAtomic(files.servingPem, issued.cert + issued.key, 0o600);
  return `${nodeName}, ${nodeIp}`;
}

function kubeconfigText(server: string, user: Record<string, string>): string {
  const names = { cluster: 'default-cluster', user: 'default-auth' };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: names.cluster, cluster: { server, 'certificate-authority': files.ca } }],
    users: [{ name: names.user, user }],
    contexts: [{ name: 'default-context', context: names }],
    'current-context': 'default-context',
  });
}

async function writeSettings(config: JoinConfig, nodeIp: string): Promise<string> {
  const kubelet = [
    `--kubeconfig=${files.kubeconfig}`,
    `--hostname-override=${config.nodeName}`,
    `--node-ip=${nodeIp}`,
    `--root-dir=${kubeletDir}`,
    `--cgroup-root=${cgroupRootOf(dataDir)}`,
    `--pod-logs-dir=${join(dataDir, 'log/pods')}`,
    `--docker-host=${config.dockerHost}`,
    `--cluster-cidr=${config.clusterCidr}`,
    ...(config.clusterDns ? [`--cluster-dns=${config.clusterDns}`] : []),
    `--client-ca-file=${files.ca}`,
    `--tls-cert-file=${files.servingPem}`,
    `--tls-private-key-file=${files.servingPem}`,
  ];
  const proxy = [`--kubeconfig=${files.kubeconfig}`, `--hostname-override=${config.nodeName}`];
  const says = '# Written by nodelet join; nodelet reset removes it.\n';
  await writeFileAtomic(files.proxyArgs, `${says}NODELET_PROXY_ARGS="${proxy.join(' ')}"\n`, 0o644);
  // The last file: with it this machine counts as a node.
  await writeFileAtomic(files.kubeletArgs, `${says}NODELET_KUBELET_ARGS="${kubelet.join(' ')}"\n`, 0o644);
  return settingsDir;
}

/** A cluster whose nodes may not list EndpointSlices runs a proxy of its own. */
async function mayRunProxy(client: ApiClient, signal: AbortSignal): Promise<boolean> {
  const resourceAttributes = { group: 'discovery.k8s.io', resource: 'endpointslices', verb: 'list' };
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const answer = await client.request<{ status?: { allowed?: boolean } }>('POST', path, review, signal);
  return answer.status?.allowed === true;
}

async function startServices(withProxy: boolean): Promise<string> {
  const wanted = withProxy ? [units.kubelet, units.proxy] : [units.kubelet];
  if (!existsSync('/run/systemd/system')) return `no systemd here: start ${wanted.join(' and ')} by other means`;
  await run('systemctl', ['enable', '--now', ...wanted], { timeoutMs: unitStartMs });
  return withProxy ? wanted.join(', ') : `${wanted.join(', ')}; this cluster brings its own service proxy`;
}
