// Makes a container's image present, by its pull policy, and says so.
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../host/clock.ts';
import { readIfExists } from '../../host/files.ts';
import type { Container, Pod, Secret } from '../../kube/types.ts';
import { type Engine, EngineError, type ImageDetail, isNotFound, type RegistryCredentials } from '../docker/engine.ts';
import { createGate } from '../docker/launch.ts';
import type { EventSink, PodObjects } from '../model.ts';
import { createPullBackOff } from './back-off.ts';
import { ImageError } from './errors.ts';
import { credentialsFor, type Keyring, keyringsOf, keyringsOfSecret } from './rules/credentials.ts';
import { type ImageReference, parseReference } from './rules/reference.ts';

export interface ImageParts {
  readonly engine: Engine;
  readonly objects: PodObjects;
  readonly events: EventSink;
  readonly clock: Clock;
}

export interface ImageOptions {
  readonly rootDir: string;
  /** How many pulls at once; 1 is one after the other. */
  readonly parallelPulls: number;
}

export interface ImageRequest {
  readonly pod: Pod;
  readonly container: Pick<Container, 'name' | 'image' | 'imagePullPolicy'>;
  /** "spec.containers{web}", what events are about. */
  readonly field: string;
}

export interface Images {
  /** Answers with the image that the container is to run. Throws `ImageError`; events have been said. */
  ensure(request: ImageRequest, signal: AbortSignal): Promise<ImageDetail>;
}

/** "1.234s", "1m2.5s": as Go prints durations, to the millisecond. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms) / 1000;
  if (seconds < 60) return `${seconds}s`;
  return `${Math.floor(seconds / 60)}m${Math.round((seconds % 60) * 1000) / 1000}s`;
}

export function createImages({ engine, objects, events, clock }: ImageParts, options: ImageOptions): Images {
  const gate = createGate(options.parallelPulls);
  const backOff = createPullBackOff(clock);

  async function present(image: string, signal: AbortSignal): Promise<ImageDetail | undefined> {
    try {
      return await engine.inspectImage(image, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function podKeyrings({ pod, field }: ImageRequest, signal: AbortSignal): Promise<Keyring[]> {
    const names = (pod.spec.imagePullSecrets ?? []).map(({ name }) => name ?? '').filter((name) => name !== '');
    const found = await Promise.all(
      names.map(
        async (name): Promise<[string, Secret | undefined]> => [
          name,
          await objects.secret(pod.metadata.namespace, name, signal),
        ],
      ),
    );
    const missing = found.filter(([, secret]) => secret === undefined).map(([name]) => name);
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      events.pod(pod, { type: 'Warning', reason: 'FailedToRetrieveImagePullSecret', message, container: field });
    }
    return found.flatMap(([, secret]) => (secret ? keyringsOfSecret(secret) : []));
  }

  /** The node's own docker config; the first file there is counts. */
  async function nodeKeyrings(): Promise<Keyring[]> {
    for (const path of [join(options.rootDir, 'config.json'), join(homedir(), '.docker/config.json')]) {
      const text = await readIfExists(path);
      if (text !== undefined) return keyringsOf(text);
    }
    return [];
  }

  /** Tries each matching sign-in in turn, nobody's where there is none. */
  async function pull(reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<void> {
    const keyrings = [...(await podKeyrings(request, signal)), ...(await nodeKeyrings())];
    const matching: readonly (RegistryCredentials | undefined)[] = credentialsFor(reference, keyrings);
    const failures: EngineError[] = [];
    for (const credentials of matching.length > 0 ? matching : [undefined]) {
      try {
        return await engine.pullImage(reference.full, credentials, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof EngineError)) throw error;
        failures.push(error);
      }
    }
    const words = failures.map(({ detail }) => `Error response from daemon: ${detail}`);
    throw new Error(words.length === 1 ? words[0] : `[${words.join(', ')}]`);
  }

  async function pullWithEvents(
    reference: ImageReference,
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<ImageDetail> {
    const { pod, container, field } = request;
    const image = container.image ?? '';
    const say = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      events.pod(pod, { type, reason, message, container: field });
    const key = `${pod.metadata.uid}_${reference.full}`;
    const waiting = backOff.current(key);
    if (waiting) {
      say('Normal', 'BackOff', `Back-off pulling image "${image}"`);
      say('Warning', 'Failed', 'Error: ImagePullBackOff');
      const message = `Back-off pulling image "${image}": ErrImagePull: ${waiting.because}`;
      throw new ImageError('ImagePullBackOff', message, { retryAtMs: waiting.untilMs });
    }
    const askedAtMs = clock.now();
    try {
      return await gate(async () => {
        say('Normal', 'Pulling', `Pulling image "${image}"`);
        const startedAtMs = clock.now();
        await pull(reference, request, signal);
        const detail = await engine.inspectImage(reference.full, signal);
        const took = durationText(clock.now() - startedAtMs);
        const whole = durationText(clock.now() - askedAtMs);
        const message = `Successfully pulled image "${image}" in ${took} (${whole} including waiting). Image size: ${detail.sizeBytes} bytes.`;
        say('Normal', 'Pulled', message);
        backOff.succeeded(key);
        return detail;
      });
    } catch (error) {
      signal.throwIfAborted();
      const because = error instanceof Error ? error.message : String(error);
      say('Warning', 'Failed', `Failed to pull image "${image}": ${because}`);
      say('Warning', 'Failed', 'Error: ErrImagePull');
      throw new ImageError('ErrImagePull', because, { retryAtMs: backOff.failed(key, because), cause: error });
    }
  }

  return {
    ensure: async (request, signal) => {
      const { pod, container, field } = request;
      const image = container.image ?? '';
      const reference = parseReference(image);
      if (!reference) {
        const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
        events.pod(pod, { type: 'Warning', reason: 'InspectFailed', message, container: field });
        events.pod(pod, { type: 'Warning', reason: 'Failed', message: 'Error: InvalidImageName', container: field });
        throw new ImageError('InvalidImageName', message);
      }
      const policy = container.imagePullPolicy ?? (/:latest$/.test(reference.full) ? 'Always' : 'IfNotPresent');
      if (policy === 'Always') return pullWithEvents(reference, request, signal);
      const detail = await present(reference.full, signal);
      if (detail) {
        const message = `Container image "${image}" already present on machine and can be accessed by the pod`;
        events.pod(pod, { type: 'Normal', reason: 'Pulled', message, container: field });
        return detail;
      }
      if (policy !== 'Never') return pullWithEvents(reference, request, signal);
      const message = `Container image "${image}" is not present with pull policy of Never`;
      events.pod(pod, { type: 'Warning', reason: 'ErrImageNeverPull', message, container: field });
      events.pod(pod, { type: 'Warning', reason: 'Failed', message: 'Error: ErrImageNeverPull', container: field });
      throw new ImageError('ErrImageNeverPull', message);
    },
  };
}
