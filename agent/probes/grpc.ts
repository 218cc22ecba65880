// gRPC probes: one call of grpc.health.v1.Health/Check over cleartext HTTP/2.
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { type Attempt, type Finding, longestOutputBytes, userAgent } from './model.ts';
import { dialFailure, goDuration, joinHostPort } from './rules/go-text.ts';
import { checkRequest, type GrpcAnswer, judgeGrpc } from './rules/grpc.ts';

function check(session: ClientHttp2Session, authority: string, service: string): Promise<GrpcAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcAnswer>();
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': authority,
    'content-type': 'application/grpc',
    'user-agent': userAgent,
    te: 'trailers',
  });
  // An answer that is all trailers has its grpc-status in the headers.
  let head: IncomingHttpHeaders = {};
  let tail: IncomingHttpHeaders = {};
  let body = Buffer.alloc(0);
  stream.on('response', (headers) => {
    head = headers;
  });
  stream.on('trailers', (headers) => {
    tail = headers;
  });
  stream.on('data', (chunk: Buffer) => {
    if (body.length < longestOutputBytes) body = Buffer.concat([body, chunk]);
  });
  stream.on('error', reject);
  stream.on('end', () => {
    const all = { ...head, ...tail };
    resolve({
      httpStatus: Number(head[':status'] ?? 0),
      grpcStatus: all['grpc-status'] === undefined ? undefined : Number(all['grpc-status']),
      grpcMessage: decodeURIComponent(String(all['grpc-message'] ?? '').replace(/%(?![0-9A-Fa-f]{2})/g, '%25')),
      body,
    });
  });
  stream.end(checkRequest(service));
  return promise;
}

export async function probeGrpc({ probe, ip, timeoutMs }: Attempt, signal: AbortSignal): Promise<Finding> {
  const { port = 0, service } = probe.grpc ?? {};
  const authority = joinHostPort(ip, port);
  const within = goDuration(timeoutMs);
  const session = connect(`http://${authority}`);
  const connected = Promise.withResolvers<'connected'>();
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  session.on('connect', () => connected.resolve('connected'));
  session.on('error', (error) => broken.reject(error));
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), timeoutMs);
  const abort = (): void => broken.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const unreachable = (why: string): Finding => ({
    result: 'failure',
    output: `timeout: failed to connect service "${authority}" within ${within}: ${why}`,
  });
  let isConnected = false;
  try {
    const first = await Promise.race([connected.promise, broken.promise, late.promise]);
    if (first === 'late') return unreachable('context deadline exceeded');
    isConnected = true;
    const call = check(session, authority, service ?? '');
    // Whoever loses the race must not be an unhandled rejection.
    call.catch(() => {});
    const answer = await Promise.race([call, broken.promise, late.promise]);
    if (answer === 'late')
      return { result: 'failure', output: `timeout: health rpc did not complete within ${within}` };
    return judgeGrpc(answer, within);
  } catch (error) {
    signal.throwIfAborted();
    const failure = error as NodeJS.ErrnoException;
    if (!isConnected) return unreachable(dialFailure(failure, ip, port));
    const why = `rpc error: code = Unavailable desc = ${failure.message}`;
    return { result: 'failure', output: `error: health rpc probe failed: ${why}` };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    session.destroy();
  }
}
