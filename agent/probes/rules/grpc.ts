// grpc.health.v1.Health/Check in bytes, and what its answers mean.
import type { Finding } from '../model.ts';

/** A message of one string field, in its length-prefixed frame. Service names are short: their length fits two bytes. */
export function checkRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** The status field of the answer; a message without it means 0, as everywhere in proto3. */
export function servingStatus(frame: Buffer): string {
  const at = frame[5] === 0x08 ? (frame[6] ?? 0) : 0;
  return servingStatuses[at] ?? String(at);
}

const codeNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

export interface GrpcAnswer {
  readonly httpStatus: number;
  readonly grpcStatus: number | undefined;
  readonly grpcMessage: string;
  readonly body: Buffer;
}

const failure = (output: string): Finding => ({ result: 'failure', output });

export function judgeGrpc({ httpStatus, grpcStatus, grpcMessage, body }: GrpcAnswer, timeoutText: string): Finding {
  // Without a grpc-status the HTTP status speaks: 404 means that nobody there knows the method.
  const code = grpcStatus ?? (httpStatus === 404 ? 12 : 2);
  const message =
    grpcMessage || (grpcStatus === undefined ? `unexpected HTTP status code received from server: ${httpStatus}` : '');
  if (code === 12)
    return failure(
      `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`,
    );
  if (code === 4) return failure(`timeout: health rpc did not complete within ${timeoutText}`);
  if (code !== 0)
    return failure(
      `error: health rpc probe failed: rpc error: code = ${codeNames[code] ?? `Code(${code})`} desc = ${message}`,
    );
  const status = servingStatus(body);
  return status === 'SERVING'
    ? { result: 'success', output: 'service healthy' }
    : failure(`service unhealthy (responded with "${status}")`);
}
