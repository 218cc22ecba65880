// /containerLogs: a container's output as text, at the reader's pace.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, LogQuery } from '../docker/engine.ts';
import type { LogOptions } from './rules/log-query.ts';
import { createStampFilter } from './rules/log-stamps.ts';

const batchBytes = 64 * 1024;
const quietMs = 100;
/** The API server, handing a log on as WebSocket messages, loses whatever it reads together with the end. */
const endPauseMs = 25;

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
  // Who follows a silent container wants to know at once that it works.
  const quiet = setTimeout(() => startText(res), quietMs);
  try {
    await copy(engine.containerLogs(containerId, engineQuery(options), stop), options, res, stop);
  } catch (error) {
    if (stop.aborted) return void res.destroy();
    if (!res.headersSent) throw error;
    // The status is out: only a broken connection can still say that the log is not whole.
    return void res.destroy();
  } finally {
    clearTimeout(quiet);
  }
  startText(res);
  await sleep(endPauseMs, undefined, { signal: stop }).catch(() => {});
  res.end();
}

/** One loop and no generator of our own: there may be millions of short lines. */
async function copy(
  records: ReturnType<Engine['containerLogs']>,
  { timestamps, limitBytes = Number.POSITIVE_INFINITY }: LogOptions,
  res: ServerResponse,
  stop: AbortSignal,
): Promise<void> {
  const oncePerLine = timestamps ? createStampFilter() : undefined;
  const writer = batchWriter(res, stop);
  let left = limitBytes;
  for await (const record of records) {
    const data = oncePerLine ? oncePerLine(record) : record.data;
    const full = writer.write(data.length > left ? data.subarray(0, left) : data);
    if (full !== undefined) await full;
    left -= data.length;
    if (left <= 0) break;
  }
  writer.flush();
}

function startText(res: ServerResponse): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(200, { 'Content-Type': 'text/plain' });
  res.flushHeaders();
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
    startText(res);
    res.write(Buffer.concat(pieces, size));
    pieces = [];
    size = 0;
  }

  /** A promise when the reader has to catch up first. */
  function write(data: Buffer): Promise<unknown> | undefined {
    pieces.push(data);
    size += data.length;
    timer ??= setImmediate(flush);
    if (size >= batchBytes) flush();
    return res.writableNeedDrain ? once(res, 'drain', { signal: stop }) : undefined;
  }

  return { write, flush };
}
