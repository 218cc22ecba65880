// Gathers what a node's status is derived from: constants at the start, cheap facts each time, the engine's now and then.
import { arch } from 'node:os';
import type { NodeStatus } from '../../kube/types.ts';
import type { EngineInfo, ImageSummary } from '../docker/engine.ts';
import { readFileSystem, readInterfaces, readMachine, readMemory, resolveName } from './facts.ts';
import type { NodeParts } from './model.ts';
import { chooseNodeIps } from './rules/addresses.ts';
import { capacityOf, checkReservations } from './rules/capacity.ts';
import { networkError } from './rules/conditions.ts';
import { nodeImages } from './rules/images.ts';
import { architectureOf } from './rules/labels.ts';
import { deriveNodeStatus } from './rules/status.ts';

export interface Observer {
  /** The status as it should be now, on top of what the API has. */
  status(api: NodeStatus): Promise<ReturnType<typeof deriveNodeStatus>>;
  /** The node's addresses, primary first. */
  hostIps(): readonly string[];
  /** What the node has, in the API's terms. */
  capacity(): Readonly<Record<string, string>>;
}

/** The engine's version and images change seldom, and listing many images is not free. */
const engineEveryMs = 30_000;

const nowText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** Reads the machine once. Throws a RangeError where it cannot be what the configuration says. */
export async function createObserver(parts: NodeParts): Promise<Observer> {
  const { config, engine, clock, log } = parts;
  const machine = await readMachine();
  // An unreachable resolver costs seconds, and a configured address needs none.
  const resolved = config.nodeIps.length > 0 ? [] : await resolveName(config.nodeName);
  let info: EngineInfo | undefined;
  let images: readonly ImageSummary[] = [];
  let engineAskedMs = Number.NEGATIVE_INFINITY;

  async function chooseIps(): Promise<readonly string[]> {
    const { nodeName, nodeIps: configured } = config;
    return chooseNodeIps({ configured, nodeName, resolved, ...(await readInterfaces()) });
  }

  let ips = await chooseIps();
  if (ips.length === 0)
    throw new RangeError(
      `Cannot choose an address for node "${config.nodeName}": it resolves to none of this host's and there is no default route; set --node-ip`,
    );
  const storage = async (): Promise<number> => (await readFileSystem(config.rootDir)).bytes.capacity;
  const own = capacityOf(
    { ...machine, memoryBytes: (await readMemory()).totalBytes, storageBytes: await storage() },
    config,
  );
  checkReservations(own, config);

  async function askEngine(): Promise<void> {
    if (clock.now() - engineAskedMs < engineEveryMs) return;
    try {
      info = await engine.info();
      images = await engine.listImages();
      engineAskedMs = clock.now();
    } catch (err) {
      // What was known stays; the Ready condition tells of an engine that is down.
      log.debug({ err }, 'Engine not asked for its images');
    }
  }

  async function addresses(): Promise<readonly string[]> {
    try {
      const found = await chooseIps();
      if (found.length > 0) ips = found;
    } catch (err) {
      log.warn({ err }, 'Node address kept although it is not there');
    }
    return ips;
  }

  function errors(): readonly string[] {
    const network = parts.networkNotReady();
    const found = [parts.runtimeError(), network === undefined ? undefined : networkError(network)];
    return found.filter((error) => error !== undefined);
  }

  return {
    hostIps: () => ips,
    capacity: () => own,
    status: async (api) => {
      await askEngine();
      const [memory, storageBytes] = await Promise.all([readMemory(), storage()]);
      const facts = {
        nodeName: config.nodeName,
        ips: await addresses(),
        machine: {
          ...machine,
          architecture: architectureOf(arch()),
          memoryBytes: memory.totalBytes,
          storageBytes,
          swapBytes: memory.swapTotalBytes,
        },
        kubeletVersion: config.kubeletVersion,
        serverPort: config.serverPort,
        engine: info,
        images: nodeImages(images, config.maxImages),
        declaredFeatures: config.declaredFeatures,
        health: { pressure: parts.pressure(), errors: errors() },
      };
      return deriveNodeStatus(facts, config, api, nowText(clock.now()));
    },
  };
}
