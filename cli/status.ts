// `nodelet status`: what works on this machine and what does not, each line with what to do about it.
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connectEngine } from '../agent/docker/connect.ts';
import { run } from '../host/commands.ts';
import { readIfExists } from '../host/files.ts';
import { createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { nodes } from '../kube/resources.ts';
import { files, units } from './layout.ts';
import { ExitError } from './lifecycle.ts';
import { columns } from './token.ts';

export interface Check {
  readonly what: string;
  readonly isGood: boolean;
  readonly found: string;
  /** What a person can do; said only where it is not good. */
  readonly remedy: string;
}

const patienceMs = 5000;
const soonMs = 30 * 24 * 3_600_000;

/** Prints the table; exits with 1 where something is not as it should be. */
export async function printStatus({ dockerHost }: { dockerHost: string }, signal: AbortSignal): Promise<void> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const isNode = existsSync(files.kubeletArgs);
  const checks = await Promise.all([
    docker(dockerHost, bounded),
    ...(existsSync('/run/systemd/system') ? await services(isNode) : []),
    ...(isNode
      ? [
          health(bounded),
          node(bounded),
          certificate('client certificate', files.clientPem),
          certificate('serving certificate', files.servingPem),
        ]
      : [joined()]),
  ]);
  console.log(renderChecks(checks));
  if (checks.some(({ isGood }) => !isGood)) throw new ExitError(1);
}

export function renderChecks(checks: readonly Check[]): string {
  const rows = checks.map(({ what, isGood, found, remedy }) => [
    what,
    isGood ? 'ok' : 'NOT OK',
    found,
    isGood ? '' : remedy,
  ]);
  return columns([['CHECK', 'STATE', 'FOUND', 'WHAT TO DO'], ...rows]);
}

/** A check that cannot be made has found why. */
async function check(what: string, remedy: string, look: () => Promise<string>): Promise<Check> {
  try {
    return { what, isGood: true, found: await look(), remedy };
  } catch (error) {
    return { what, isGood: false, found: (error as Error).message.split('\n')[0] ?? '', remedy };
  }
}

const docker = (host: string, signal: AbortSignal): Promise<Check> =>
  check('docker', 'systemctl start docker', async () => {
    const { version } = await (await connectEngine(host.replace('unix://', ''))).info(signal);
    return `version ${version}`;
  });

/** The control plane counts where somebody has enabled it, the others where this machine is a node. */
async function services(isNode: boolean): Promise<Promise<Check>[]> {
  const wanted: string[] = isNode ? [units.kubelet] : [];
  for (const unit of [units.controlplane, units.proxy])
    if ((await state('is-enabled', unit)) === 'enabled') wanted.push(unit);
  return wanted.map((unit) =>
    check(unit, `journalctl -u ${unit} -e; systemctl restart ${unit}`, async () => {
      const found = await state('is-active', unit);
      if (found !== 'active') throw new Error(found);
      return found;
    }),
  );
}

/** systemctl's one word; it stands on stdout whatever the exit code. */
async function state(verb: string, unit: string): Promise<string> {
  const { stdout } = await run('systemctl', [verb, unit]).catch((error: { stdout?: string }) => ({
    stdout: error.stdout ?? '',
  }));
  return stdout.trim() || 'unknown';
}

const joined = (): Promise<Check> =>
  check(
    'node',
    'nodelet token create --print-join-command, on the control plane; run here what it prints',
    async () => {
      throw new Error('this machine has not joined a cluster');
    },
  );

const health = (signal: AbortSignal): Promise<Check> =>
  check('kubelet health', `journalctl -u ${units.kubelet} -e`, async () => {
    const answer = await fetch('http://127.0.0.1:10248/healthz', { signal });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.text();
  });

const node = (signal: AbortSignal): Promise<Check> =>
  check('node, as the cluster sees it', 'kubectl describe node: its conditions say why', async () => {
    const endpoint = await loadKubeconfig(files.kubeconfig);
    const name = /CN=system:node:(\S+)/.exec(new X509Certificate(endpoint.cert ?? '').subject)?.[1] ?? '';
    const client = createApiClient(endpoint);
    try {
      const { status } = await client.get(nodes, { name }, signal);
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status !== 'True') throw new Error(ready?.message ?? 'it has no Ready condition yet');
      return `${name} is Ready at ${endpoint.server}`;
    } finally {
      await client.close();
    }
  });

const certificate = (what: string, path: string): Promise<Check> =>
  check(what, 'nodelet reset, then nodelet join', async () => {
    const pem = await readIfExists(path);
    if (pem === undefined) throw new Error(`no "${path}"`);
    const { validTo } = new X509Certificate(pem);
    if (Date.parse(validTo) - Date.now() < soonMs) throw new Error(`ends ${validTo}`);
    return `until ${validTo}`;
  });
