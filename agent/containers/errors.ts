// A container that could not be started: what its status says it waits for.
import type { EngineError } from '../docker/engine.ts';

export type StartFailure =
  | 'CreateContainerConfigError'
  | 'CreateContainerError'
  | 'RunContainerError'
  | 'PostStartHookError';

export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError';
  readonly reason: StartFailure;

  constructor(reason: StartFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The engine's own words, as users know them. */
export const engineWords = (error: EngineError): string => `Error response from daemon: ${error.detail}`;
