// HTTP probes: one connection per question, certificates not looked at, redirects on the same host.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Attempt, type Finding, longestOutputBytes } from './model.ts';
import { requestFailure } from './rules/go-text.ts';
import { followRedirect, judgeAnswer, probeHeaders, probeUrl } from './rules/http.ts';
import { probePort } from './rules/ports.ts';

function ask(url: URL, headers: readonly string[], signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { headers: [...headers], signal, agent: false as const };
  const request =
    url.protocol === 'https:'
      ? httpsRequest(url, { ...options, rejectUnauthorized: false })
      : httpRequest(url, options);
  request.on('error', reject);
  request.on('response', resolve);
  request.end();
  return promise;
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    kept.push(chunk);
    size += chunk.length;
    if (size >= longestOutputBytes) break;
  }
  answer.destroy();
  return Buffer.concat(kept).subarray(0, longestOutputBytes).toString('utf8');
}

async function follow(first: URL, headers: readonly string[], signal: AbortSignal): Promise<Finding> {
  let url = first;
  let sent = headers;
  for (let hops = 0; ; hops++) {
    const answer = await ask(url, sent, signal);
    const status = answer.statusCode ?? 0;
    const onward = followRedirect(first, url, status, answer.headers.location, hops);
    if ('stop' in onward && onward.stop === 'answer') return judgeAnswer(status, await bodyOf(answer));
    answer.destroy();
    if ('stop' in onward) return { result: 'failure', output: `Get "${url.href}": stopped after 10 redirects` };
    if (!onward.keepsHost) sent = ['Host', onward.to.host, ...sent.slice(2)];
    url = onward.to;
  }
}

export async function probeHttp({ container, probe, ip, timeoutMs }: Attempt, signal: AbortSignal): Promise<Finding> {
  const action = probe.httpGet ?? { port: 0 };
  const host = action.host || ip;
  const port = probePort(action.port, container);
  const url = probeUrl(action as Parameters<typeof probeUrl>[0], host, port);
  const headers = probeHeaders(action, url);
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await follow(url, headers, AbortSignal.any([signal, late]));
  } catch (error) {
    signal.throwIfAborted();
    const why = late.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : requestFailure(error as NodeJS.ErrnoException, host, port);
    return { result: 'failure', output: `Get "${url.href}": ${why}` };
  }
}
