// TCP probes: can a connection be made?
import { connect } from 'node:net';
import type { Attempt, Finding } from './model.ts';
import { dialFailure, dialTimeout } from './rules/go-text.ts';
import { probePort } from './rules/ports.ts';

export function probeTcp({ container, probe, ip, timeoutMs }: Attempt, signal: AbortSignal): Promise<Finding> {
  const host = probe.tcpSocket?.host || ip;
  const port = probePort(probe.tcpSocket?.port ?? 0, container);
  const { promise, resolve, reject } = Promise.withResolvers<Finding>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => end({ result: 'failure', output: dialTimeout(host, port) }), timeoutMs);
  const abort = (): void => {
    clearTimeout(timer);
    socket.destroy();
    reject(signal.reason);
  };
  const end = (finding: Finding): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.destroy();
    resolve(finding);
  };
  socket.on('connect', () => end({ result: 'success', output: '' }));
  socket.on('error', (error) => end({ result: 'failure', output: dialFailure(error, host, port) }));
  signal.addEventListener('abort', abort, { once: true });
  return promise;
}
