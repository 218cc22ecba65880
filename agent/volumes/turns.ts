// One after another: never two changes to one pod's volumes at once.

export interface Turns {
  /** Runs `act` when everything asked for `key` before has ended, well or badly. */
  take<T>(key: string, act: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return {
    take: (key, act) => {
      const result = (last.get(key) ?? Promise.resolve()).then(act);
      const ended = result.then(
        () => {},
        () => {},
      );
      last.set(key, ended);
      void ended.then(() => {
        if (last.get(key) === ended) last.delete(key);
      });
      return result;
    },
  };
}
