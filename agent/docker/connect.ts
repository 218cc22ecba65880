// Finds out which API version to speak, and puts the Engine together.
import { createContainerCalls } from './containers.ts';
import { type Engine, EngineError, type EngineInfo } from './engine.ts';
import { createImageCalls } from './images.ts';
import { createStreams } from './streams.ts';
import { createTransport, type Transport } from './transport.ts';

/** Docker 20.10's: everything that we use is in it. */
const oldestApi = '1.41';
/** Docker 28's: knows image mounts and says how far read-only reaches. */
const newerApi = '1.48';
const questionDeadlineMs = 10_000;

interface WireVersion {
  Version: string;
  ApiVersion: string;
  MinAPIVersion?: string;
}

interface WireInfo {
  CgroupDriver: string;
  CgroupVersion?: string;
  DockerRootDir: string;
  Runtimes?: Record<string, unknown> | null;
  LoggingDriver: string;
}

function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

/** The oldest version that both sides speak, so that an engine's upgrade changes nothing for us. Undefined: none. */
export function chooseApiVersion(newest: string, oldest: string): string | undefined {
  if (compareVersions(newest, oldestApi) < 0) return undefined;
  return compareVersions(oldest, oldestApi) > 0 ? oldest : oldestApi;
}

async function infoOf(
  transport: Transport,
  version: WireVersion,
  apiVersion: string,
  signal?: AbortSignal,
): Promise<EngineInfo> {
  const info = await transport.json<WireInfo>({
    what: 'Cannot ask the engine for its facts',
    method: 'GET',
    path: '/info',
    signal,
  });
  return {
    version: version.Version,
    apiVersion,
    cgroupDriver: info.CgroupDriver === 'systemd' ? 'systemd' : 'cgroupfs',
    cgroupVersion: info.CgroupVersion === '2' ? 2 : 1,
    dataRoot: info.DockerRootDir,
    runtimes: Object.keys(info.Runtimes ?? {}),
    defaultLogDriver: info.LoggingDriver,
  };
}

/** Connects to Docker Engine 20.10 or newer at `socketPath`. Throws `EngineError` where there is none, or an older one. */
export async function connectEngine(socketPath: string, signal?: AbortSignal): Promise<Engine> {
  const ask = (transport: Transport, asking: AbortSignal | undefined): Promise<WireVersion> =>
    transport.json({
      what: `Cannot reach Docker Engine at "${socketPath}"`,
      method: 'GET',
      path: '/version',
      deadlineMs: questionDeadlineMs,
      signal: asking,
    });
  const first = await ask(createTransport(socketPath), signal);
  const apiVersion = chooseApiVersion(first.ApiVersion, first.MinAPIVersion ?? first.ApiVersion);
  if (apiVersion === undefined) {
    throw new EngineError(`Cannot use Docker Engine at "${socketPath}"`, {
      reason: 'Invalid',
      detail: `it speaks API ${first.ApiVersion}, needed is ${oldestApi} (Docker 20.10) or newer`,
    });
  }
  const transport = createTransport(socketPath, apiVersion);
  const newer = compareVersions(first.ApiVersion, newerApi) < 0 ? transport : createTransport(socketPath, newerApi);
  return {
    // Asked anew each time: an engine may be upgraded under us.
    info: async (asking) => infoOf(transport, await ask(transport, asking), apiVersion, asking),
    ...createContainerCalls(transport, newer),
    ...createImageCalls(transport),
    ...createStreams(transport),
  };
}
