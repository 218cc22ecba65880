// Every failure of a call to the engine becomes an EngineError here, once.
import { EngineError, type EngineErrorReason } from './engine.ts';

const byStatus: Readonly<Record<number, EngineErrorReason>> = {
  304: 'NotModified',
  400: 'Invalid',
  401: 'Refused',
  403: 'Refused',
  404: 'NotFound',
  409: 'Conflict',
};

interface WireError {
  readonly statusCode?: number;
  readonly json?: unknown;
  readonly code?: string;
  readonly name?: string;
  readonly message?: string;
}

/** The engine's own words: its JSON body carries them, a plain body is them. */
function words(error: WireError): string {
  const { json } = error;
  if (typeof json === 'object' && json !== null && 'message' in json) return String(json.message).trim();
  if (json instanceof Uint8Array) return Buffer.from(json).toString('utf8').trim();
  if (typeof json === 'string') return json.trim();
  return (error.message ?? '').replace(/^\(HTTP code \d+\) .*? - /, '').trim();
}

/** Translates what dockerode throws. `what` says what could not be done: `Cannot stop container "abc"`. */
export function toEngineError(what: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const wire = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as WireError;
  const detail = words(wire);
  const facts = { ...(detail ? { detail } : {}), cause: error };
  if (wire.statusCode !== undefined) {
    return new EngineError(what, { reason: byStatus[wire.statusCode] ?? 'ServerError', ...facts });
  }
  if (wire.name === 'AbortError' || wire.name === 'TimeoutError') {
    return new EngineError(what, { reason: 'TimedOut', detail: 'no answer within the deadline', cause: error });
  }
  return new EngineError(what, { reason: 'Unreachable', ...facts });
}
