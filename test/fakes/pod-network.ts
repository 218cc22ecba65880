// A pod network that gives addresses out of the air and remembers who has one.
import type { PodNetwork } from '../../agent/model.ts';

export interface FakePodNetwork extends PodNetwork {
  /** Why it is not ready, for as long as a test says so. */
  trouble: string | undefined;
}

export function createFakePodNetwork(): FakePodNetwork {
  const given = new Map<string, string>();
  let last = 1;
  const network: FakePodNetwork = {
    trouble: undefined,
    notReady: () => network.trouble,
    attach: async ({ id }) => {
      last += 1;
      const ip = given.get(id) ?? `10.244.0.${last}`;
      given.set(id, ip);
      return [ip];
    },
    detach: async (id) => {
      given.delete(id);
    },
    addresses: async (id) => {
      const ip = given.get(id);
      return ip === undefined ? [] : [ip];
    },
    attached: async () => [...given.keys()],
  };
  return network;
}
