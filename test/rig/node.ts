// One node with flags of its own: control plane and agent in this process, asked through real kubectl.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAgentConfig } from '../../agent/config/flags.ts';
import { startAgent } from '../../agent/main.ts';
import { parseControlPlaneConfig } from '../../controlplane/config/flags.ts';
import { startControlPlane } from '../../controlplane/main.ts';
import { openCgroups } from '../../host/cgroups.ts';
import { run } from '../../host/commands.ts';
import { writeFileAtomic } from '../../host/files.ts';
import { createLog, type LogLevel } from '../../host/log.ts';
import type { ApiEndpoint } from '../../kube/client.ts';
import { loadKubeconfig } from '../../kube/kubeconfig.ts';
import { eventually, kubectlPath } from './cluster.ts';

export const nodeName = 'tight';
export const nodeIp = '192.168.77.2';

const cgroupRoot = `/nodelet-test-${process.pid}`;

export interface TestNode {
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** As cluster administrator. */
  readonly admin: ApiEndpoint;
  stop(): Promise<void>;
}

/** Starts in the suite's machine, and resolves once the node is Ready. `directory` is made; `flags` are added to the agent's. */
export async function startNode(directory: string, flags: readonly string[]): Promise<TestNode> {
  await mkdir(directory, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const level = (process.env['NODELET_TEST_LOG'] ?? 'error') as LogLevel;
  const { signal } = new AbortController();
  const plane = await startControlPlane(
    parseControlPlaneConfig([`--data-dir=${directory}`, `--advertise-address=${nodeIp}`]),
    { log: createLog('controlplane', level), signal },
  );
  const user = `system:node:${nodeName}`;
  await plane.writeKubeconfig(at('kubelet.conf'), { name: 'kubelet', user, groups: ['system:nodes'] });
  await writeFileAtomic(at('ca.crt'), plane.ca, 0o644);
  const agent = await startAgent(
    await parseAgentConfig([
      `--kubeconfig=${at('kubelet.conf')}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${nodeIp}`,
      `--root-dir=${at('kubelet')}`,
      `--cgroup-root=${cgroupRoot}`,
      `--pod-logs-dir=${at('log/pods')}`,
      `--docker-host=unix://${process.env['NODELET_TEST_DOCKER']}`,
      `--cni-bin-dir=${at('cni/bin')}`,
      `--cni-conf-dir=${at('cni/net.d')}`,
      `--client-ca-file=${at('ca.crt')}`,
      '--fail-cgroupv1=false',
      ...flags,
    ]),
    { log: createLog('kubelet', level), signal },
  );
  const env = { KUBECONFIG: plane.adminKubeconfigPath, HOME: directory };
  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await run(kubectlPath(), args, {
      env,
      timeoutMs: 90_000,
      ...(input === undefined ? {} : { input }),
    });
    return result.stdout;
  };
  await eventually('the node is Ready', async () => {
    const words = await kubectl(['get', 'node', nodeName, '--no-headers']);
    return / Ready /.test(words) ? true : undefined;
  });
  return {
    admin: await loadKubeconfig(plane.adminKubeconfigPath),
    kubectl,
    stop: async () => {
      await agent.stop();
      await plane.stop();
      // Containers may still be ending; what they hold goes with the machine.
      await (await openCgroups()).remove(cgroupRoot).catch(() => {});
    },
  };
}
