// The engine's streams of JSON values: events, and the progress of pulls and imports.
import { EngineError } from './engine.ts';

const longestBytes = 8 * 1024 * 1024;

/** Parses one JSON value per line; throws `EngineError` on a line that is none, or that grows past 8 MiB. */
export async function* jsonLines<T>(what: string, source: AsyncIterable<Buffer>): AsyncIterable<T> {
  let pending = '';
  const decoder = new TextDecoder();
  for await (const chunk of source) {
    const parts = (pending + decoder.decode(chunk, { stream: true })).split('\n');
    pending = parts.pop() ?? '';
    if (pending.length > longestBytes) throw new EngineError(what, { reason: 'ServerError', detail: 'endless line' });
    for (const line of parts) if (line.trim() !== '') yield parse<T>(what, line);
  }
  if (pending.trim() !== '') yield parse<T>(what, pending);
}

function parse<T>(what: string, line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new EngineError(what, { reason: 'ServerError', detail: 'the answer is not JSON', cause });
  }
}

interface Progress {
  status?: string;
  error?: string;
  errorDetail?: { message?: string };
}

/** Reads progress to its end and returns the last status; throws with the engine's words when it reports an error. */
export async function lastProgress(what: string, source: AsyncIterable<Buffer>): Promise<string> {
  let last = '';
  for await (const progress of jsonLines<Progress>(what, source)) {
    const detail = progress.errorDetail?.message ?? progress.error;
    if (detail)
      throw new EngineError(what, { reason: /unauthorized|denied/i.test(detail) ? 'Refused' : 'ServerError', detail });
    last = progress.status ?? last;
  }
  return last;
}
