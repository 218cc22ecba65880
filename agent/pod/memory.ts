// What one agent remembers of its pods beyond what the engine shows. All of it may be lost without harm.
import type { Rejection, Termination, WaitingReason } from '../model.ts';
import type { Allocation } from './rules/resize.ts';
import { sooner } from './rules/terminate.ts';

export interface PodMemory {
  termination: Termination | undefined;
  rejection: Rejection | undefined;
  /** Whether it passed admission, which is asked once. */
  isAdmitted: boolean;
  terminated: boolean;
  /** By container name. */
  readonly waiting: Map<string, WaitingReason>;
  /** This agent has not made its volumes ready yet, so nobody keeps them up to date; or the pod was labelled anew since. */
  areVolumesDue: boolean;
  /** The resources that it was granted. */
  allocation: Allocation | undefined;
  /** Granted, and not said yet to be there. */
  isResizing: boolean;
  /** Why it was not granted what it asks for. */
  resizePending: WaitingReason | undefined;
  resizeError: string | undefined;
  /** The error that an event has told of. */
  saidError: string | undefined;
}

export interface Memories {
  of(uid: string): PodMemory;
  /** Asks for the pod's end; grace only shrinks. */
  terminate(uid: string, termination: Termination): void;
  forget(uid: string): void;
  /** Pods whose resize waits for room on the node. */
  waitingForRoom(): readonly string[];
}

export function createMemories(): Memories {
  const memories = new Map<string, PodMemory>();
  const of = (uid: string): PodMemory => {
    const known = memories.get(uid);
    if (known) return known;
    const fresh: PodMemory = {
      termination: undefined,
      rejection: undefined,
      isAdmitted: false,
      terminated: false,
      waiting: new Map(),
      areVolumesDue: true,
      allocation: undefined,
      isResizing: false,
      resizePending: undefined,
      resizeError: undefined,
      saidError: undefined,
    };
    memories.set(uid, fresh);
    return fresh;
  };
  return {
    of,
    terminate: (uid, termination) => {
      const memory = of(uid);
      memory.termination = sooner(memory.termination, termination);
    },
    forget: (uid) => {
      memories.delete(uid);
    },
    waitingForRoom: () => [...memories].filter(([, { resizePending }]) => resizePending).map(([uid]) => uid),
  };
}
