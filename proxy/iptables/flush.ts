// Notices that somebody emptied the tables: firewalls do that when they reload.
import type { Iptables } from '../../host/iptables.ts';
import { missingHooks } from './hooks.ts';

const canary = 'KUBE-PROXY-CANARY';
const tick = 1500;

/** Puts the canary where looking is cheap: mangle, a table that stays small. */
export async function ensureCanary(iptables: Iptables, signal?: AbortSignal): Promise<void> {
  if ((await iptables.rules('mangle', canary, signal)) === undefined)
    await iptables.restore(`*mangle\n:${canary} - [0:0]\nCOMMIT\n`, signal);
}

/** Watches one family's tables; each look may say how long the next may wait. */
export interface FlushWatch {
  /** Resolves to what is missing, undefined where all stands, and how long to wait before looking again. */
  look(signal?: AbortSignal): Promise<{ readonly missing: string | undefined; readonly waitMs: number }>;
}

/**
 * The canary is looked at every 1.5 s. The jumps in nat and filter are too, as long as that is cheap: iptables-legacy reads
 * the whole table for one question, and may use 2 % of the time for it.
 */
export function createFlushWatch(iptables: Iptables, now: () => number): FlushWatch {
  let nextFullLookMs = 0;
  return {
    async look(signal) {
      if ((await iptables.rules('mangle', canary, signal)) === undefined) return { missing: canary, waitMs: 0 };
      const startedAt = now();
      if (startedAt < nextFullLookMs) return { missing: undefined, waitMs: tick };
      const [hook] = await missingHooks(iptables, signal);
      nextFullLookMs = now() + 50 * (now() - startedAt);
      return { missing: hook && `${hook.from} -j ${hook.to}`, waitMs: tick };
    },
  };
}
