// Static pods from a web server: a Pod or a PodList, asked for again and again.
import { parse } from 'yaml';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import { podsOf } from './rules/static-pod.ts';

export interface StaticUrlParts {
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly nodeName: string;
  readonly everyMs: number;
  /** All pods that the server names now. */
  readonly onSnapshot: (pods: readonly Pod[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const deadlineMs = 10_000;
const maxBytes = 10 * 1024 * 1024;

/** Asks until `signal` ends. A server that is away, or says what is no pod, changes nothing; nothing at all means no pods. Never rejects. */
export async function followUrl(parts: StaticUrlParts, signal: AbortSignal): Promise<void> {
  const { url, nodeName, everyMs, onSnapshot, clock, log } = parts;
  let complaint: string | undefined;
  while (!signal.aborted) {
    try {
      const text = await fetchText(parts, signal);
      if (text.trim() === '') {
        onSnapshot([]);
        throw new Error('the answer is empty');
      }
      const seenAt = new Date(clock.now()).toISOString();
      const manifest: unknown = parse(text, { maxAliasCount: 0 });
      onSnapshot(podsOf(manifest, { source: 'http', place: url, nodeName, seenAt }));
      complaint = undefined;
    } catch (err) {
      const because = (err as Error).message.split('\n')[0];
      if (!signal.aborted && because !== complaint) log.warn({ url, because }, 'Static pods could not be fetched');
      complaint = because;
    }
    await clock.sleep(everyMs, signal).catch(() => {});
  }
}

async function fetchText({ url, headers }: StaticUrlParts, signal: AbortSignal): Promise<string> {
  // Large, and few nodes have such a server.
  const { request } = await import('undici');
  const answer = await request(url, {
    headers: Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]])),
    signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  if (answer.statusCode !== 200) throw new Error(`the answer is ${answer.statusCode}`);
  return Buffer.concat(chunks).toString('utf8');
}
