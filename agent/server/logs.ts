// /containerLogs: a container's output as text, at the reader's pace.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Engine, LogQuery, OutputChunk } from '../docker/engine.ts';
import type { LogOptions } from './rules/log-query.ts';
import { createStampFilter } from './rules/log-stamps.ts';

const batchBytes = 64 * 1024;
const quietMs = 100;

export function engineQuery({ follow, timestamps, since, tail }: LogOptions): LogQuery {
  return { follow, timestamps, ...(since === undefined ? {} : { since }), ...(tail === undefined ? {} : { tail }) };
}

/** Sends the log and ends the response; stops when the reader has left. Throws `EngineError` before the first byte only. */
export async function sendLogs(
  engine: Pick<Engine, 'containerLogs'>,
  containerId: string,
  options: LogOptions,
  res: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const left = new AbortController();
  res.once('close', () => left.abort());
  const stop = AbortSignal.any([signal, left.signal]);
  const writer = batchWriter(res, stop);
  // Who follows a silent container wants to know at once that it works.
  const quiet = setTimeout(() => startText(res), quietMs);
  try {
    const records = engine.containerLogs(containerId, engineQuery(options), stop);
    for await (const data of limited(texts(records, options), options.limitBytes)) {
      startText(res);
      await writer.write(data);
    }
  } catch (error) {
    if (stop.aborted) return void res.destroy();
    if (!res.headersSent) throw error;
    // The status is out: only a broken connection can still say that the log is not whole.
    return void res.destroy();
  } finally {
    clearTimeout(quiet);
  }
  startText(res);
  writer.flush();
  res.end();
}

function startText(res: ServerResponse): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(200, { 'Content-Type': 'text/plain' });
  res.flushHeaders();
}

async function* texts(records: AsyncIterable<OutputChunk>, { timestamps }: LogOptions): AsyncIterable<Buffer> {
  const oncePerLine = timestamps ? createStampFilter() : ({ data }: OutputChunk) => data;
  for await (const record of records) yield oncePerLine(record);
}

async function* limited(texts: AsyncIterable<Buffer>, limitBytes: number | undefined): AsyncIterable<Buffer> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const data of texts) {
    yield data.subarray(0, left);
    left -= data.length;
    if (left <= 0) return;
  }
}

/** Joins small pieces into one write, because each is a TLS record; a pause in the source sends what there is. */
function batchWriter(res: ServerResponse, stop: AbortSignal) {
  let pieces: Buffer[] = [];
  let size = 0;
  let timer: NodeJS.Immediate | undefined;

  function flush(): void {
    if (timer) clearImmediate(timer);
    timer = undefined;
    if (size === 0 || res.destroyed) return;
    res.write(Buffer.concat(pieces));
    pieces = [];
    size = 0;
  }

  async function write(data: Buffer): Promise<void> {
    pieces.push(data);
    size += data.length;
    timer ??= setImmediate(flush);
    if (size >= batchBytes) flush();
    if (res.writableNeedDrain) await once(res, 'drain', { signal: stop });
  }

  return { write, flush };
}
