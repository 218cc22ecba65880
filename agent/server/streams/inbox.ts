// Bytes on their way from a connection to whoever reads them: bounded, in order, and told when nobody reads any more.

export interface Inbox extends AsyncIterable<Buffer> {
  /** Undefined where there was room; otherwise a promise that resolves when there is some again. Never rejects. */
  push(data: Buffer): Promise<void> | undefined;
  /** No more will come; what is held is still read. */
  end(): void;
  /** The reader gets `error` after what is held. */
  fail(error: Error): void;
  /** Nobody reads: drops what is held and what comes. */
  discard(): void;
}

/** For one reader. Holds about `limitBytes`: a push goes in whole, then the next one waits. */
export function createInbox(limitBytes = 256 * 1024): Inbox {
  let held: Buffer[] = [];
  let size = 0;
  let state: 'open' | 'ended' | 'discarded' = 'open';
  let failure: Error | undefined;
  let wakeReader: (() => void) | undefined;
  let room: PromiseWithResolvers<void> | undefined;

  const freeRoom = (): void => {
    room?.resolve();
    room = undefined;
  };
  const wake = (): void => {
    wakeReader?.();
    wakeReader = undefined;
  };
  function discard(): void {
    state = 'discarded';
    held = [];
    size = 0;
    freeRoom();
    wake();
  }

  async function* read(): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        const next = held.shift();
        if (next) {
          size -= next.length;
          if (size < limitBytes) freeRoom();
          yield next;
        } else if (state === 'open') {
          await new Promise<void>((resolve) => {
            wakeReader = resolve;
          });
        } else if (failure) {
          throw failure;
        } else return;
      }
    } finally {
      discard();
    }
  }

  return {
    push(data) {
      if (state !== 'open' || data.length === 0) return undefined;
      held.push(data);
      size += data.length;
      wake();
      if (size < limitBytes) return undefined;
      room ??= Promise.withResolvers<void>();
      return room.promise;
    },
    end() {
      if (state === 'open') state = 'ended';
      freeRoom();
      wake();
    },
    fail(error) {
      if (state === 'open') {
        failure = error;
        state = 'ended';
      }
      freeRoom();
      wake();
    },
    discard,
    [Symbol.asyncIterator]: read,
  };
}
