// The nouns of probing.
import type { Container, Probe } from '../../kube/types.ts';

export type ProbeType = 'startup' | 'liveness' | 'readiness';

/** What one attempt found. An attempt that could not be made throws. */
export interface Finding {
  readonly result: 'success' | 'warning' | 'failure';
  /** The program's or the server's words, or what went wrong. */
  readonly output: string;
}

/** One attempt: who is asked, how, and for how long. */
export interface Attempt {
  readonly containerId: string;
  readonly container: Container;
  readonly probe: Probe;
  /** The pod's address, or the node's for a pod in its network. */
  readonly ip: string;
  readonly timeoutMs: number;
}

/** No more than this much of an answer is kept. */
export const longestOutputBytes = 10 * 1024;
export const userAgent = 'kube-probe/1.36';
