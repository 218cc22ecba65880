// What one agent remembers of its pods beyond what the engine shows. All of it may be lost without harm.
import type { Rejection, Termination, WaitingReason } from '../model.ts';
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
}

export interface Memories {
  of(uid: string): PodMemory;
  /** Asks for the pod's end; grace only shrinks. */
  terminate(uid: string, termination: Termination): void;
  forget(uid: string): void;
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
  };
}
