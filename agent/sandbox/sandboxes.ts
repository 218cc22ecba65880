// A pod's sandbox: the pause container, its network, and the files that every container of the pod sees.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, readIfExists, writeFileAtomic } from '../../host/files.ts';
import type { Pod } from '../../kube/types.ts';
import type { BindMount, Engine } from '../docker/engine.ts';
import { labels, podLabels, sandboxName } from '../docker/labels.ts';
import type { Launcher } from '../docker/launch.ts';
import type { EventSink, ObservedSandbox, PodNetwork } from '../model.ts';
import { ensurePauseImage } from './pause-image.ts';
import { type PodResolver, parseResolvConf, renderResolvConf, resolverOf } from './rules/dns.ts';
import { hostnameOf } from './rules/hostname.ts';
import { hostNetworkHostsFile, hostsFile } from './rules/hosts.ts';
import { sandboxPlan } from './rules/plan.ts';

export interface SandboxOptions {
  readonly nodeName: string;
  readonly clusterDomain: string;
  readonly clusterDns: readonly string[];
  /** The node's resolv.conf; empty for none. */
  readonly resolvConfPath: string;
  readonly architecture: string;
  /** The directory of a pod below the root. */
  podDirectory(uid: string): string;
}

export interface SandboxParts {
  readonly engine: Engine;
  readonly launcher: Launcher;
  readonly network: PodNetwork;
  readonly events: EventSink;
}

/** The pod's network is not there yet: a wait, not a fault. */
export class NetworkNotReady extends Error {
  override readonly name = 'NetworkNotReady';
}

export interface Sandboxes {
  /** Starts a new one and gives it its network. Throws `NetworkNotReady` before anything is made. */
  start(pod: Pod, attempt: number, cgroupParent: string | undefined, signal: AbortSignal): Promise<void>;
  attach(pod: Pod, sandbox: { id: string; pid: number }, signal: AbortSignal): Promise<void>;
  /** Network first, so that no address is given back while somebody may still use it; stopped already is fine. */
  stop(sandbox: ObservedSandbox, signal: AbortSignal): Promise<void>;
  remove(sandbox: ObservedSandbox, signal: AbortSignal): Promise<void>;
  /** Writes /etc/hosts and resolv.conf anew and answers with their mounts, but for paths that the container mounts itself. */
  files(pod: Pod, ips: readonly string[], taken: ReadonlySet<string>): Promise<readonly BindMount[]>;
}

const stopSeconds = 10;

export function createSandboxes(
  { engine, launcher, network, events }: SandboxParts,
  options: SandboxOptions,
): Sandboxes {
  let pause: Promise<string> | undefined;

  /** One import at a time; a failure is forgotten so that the next sandbox tries again. */
  function pauseImage(): Promise<string> {
    pause ??= ensurePauseImage(engine, options.architecture).finally(() => {
      pause = undefined;
    });
    return pause;
  }

  async function attach(pod: Pod, sandbox: { id: string; pid: number }, signal: AbortSignal): Promise<void> {
    const because = network.notReady();
    if (because !== undefined) throw new NetworkNotReady(`network is not ready: ${because}`);
    await network.attach(sandbox, pod, signal);
  }

  async function resolver(pod: Pod): Promise<PodResolver> {
    const text = options.resolvConfPath === '' ? '' : ((await readIfExists(options.resolvConfPath)) ?? '');
    const cluster = { domain: options.clusterDomain, servers: options.clusterDns, node: parseResolvConf(text) };
    return resolverOf(pod, cluster);
  }

  return {
    attach,

    start: async (pod, attempt, cgroupParent, signal) => {
      const hostNetwork = pod.spec.hostNetwork === true;
      const because = hostNetwork ? undefined : network.notReady();
      if (because !== undefined) throw new NetworkNotReady(`network is not ready: ${because}`);
      for (const warning of (await resolver(pod)).warnings) events.pod(pod, { type: 'Warning', ...warning });
      const identity = { uid: pod.metadata.uid, name: pod.metadata.name, namespace: pod.metadata.namespace };
      const annotations = Object.entries(pod.metadata.annotations ?? {});
      const plan = sandboxPlan(pod, {
        name: sandboxName(identity, attempt),
        image: await pauseImage(),
        labels: {
          ...pod.metadata.labels,
          ...Object.fromEntries(annotations.map(([name, value]) => [`annotation.${name}`, value])),
          ...podLabels(identity, options.nodeName),
          [labels.type]: 'podsandbox',
          [labels.containerName]: 'POD',
        },
        kernelName: hostnameOf(pod, options.clusterDomain).kernelName,
        cgroupParent,
      });
      const id = await launcher.launch(plan, signal);
      if (hostNetwork) return;
      // Should the address fail, the sandbox stays: the next turn only has to attach it.
      const { pid } = await engine.inspectContainer(id, signal);
      await attach(pod, { id, pid }, signal);
    },

    stop: async (sandbox, signal) => {
      if (!sandbox.hostNetwork) await network.detach(sandbox.id, signal);
      await engine.stopContainer(sandbox.id, stopSeconds, signal);
    },

    remove: async (sandbox, signal) => {
      if (!sandbox.hostNetwork) await network.detach(sandbox.id, signal);
      await engine.removeContainer(sandbox.id, signal);
    },

    files: async (pod, ips, taken) => {
      const directory = options.podDirectory(pod.metadata.uid);
      await ensureDirectory(directory, 0o750);
      const hosts = pod.spec.hostNetwork
        ? hostNetworkHostsFile(pod, await readFile('/etc/hosts', 'utf8'))
        : hostsFile(pod, ips, hostnameOf(pod, options.clusterDomain));
      const wanted = [
        { name: 'etc-hosts', containerPath: '/etc/hosts', text: hosts },
        { name: 'resolv.conf', containerPath: '/etc/resolv.conf', text: renderResolvConf(await resolver(pod)) },
      ].filter(({ containerPath }) => !taken.has(containerPath));
      const mounts: BindMount[] = [];
      for (const { name, containerPath, text } of wanted) {
        const hostPath = join(directory, name);
        // A bind holds the file it was made from: only new content may replace it.
        if ((await readIfExists(hostPath)) !== text) await writeFileAtomic(hostPath, text, 0o644);
        mounts.push({ hostPath, containerPath, readOnly: false, propagation: 'rprivate' });
      }
      return mounts;
    },
  };
}
