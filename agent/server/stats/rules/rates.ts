// CPU rates from counters: a look is compared with one that is old enough to say something, and young enough to be of now.

export interface Look {
  readonly atMs: number;
  readonly cpuNanos: number;
}

/** The looks to keep of one counter, oldest first, and its rate in billionths of a core. */
export interface Rate {
  readonly looks: readonly Look[];
  readonly nanoCores: number | undefined;
}

/** Callers may look often: what is kept is about one look per window. */
const windowMs = 10_000;

export function rateOf(before: Rate | undefined, now: Look): Rate {
  const looks = before?.looks ?? [];
  const last = looks.at(-1);
  // A counter that went back belongs to something new.
  if (!last || last.cpuNanos > now.cpuNanos) return { looks: [now], nanoCores: undefined };
  const base = looks.findLast((look) => now.atMs - look.atMs >= windowMs) ?? looks[0] ?? now;
  const elapsedMs = now.atMs - base.atMs;
  const nanoCores = elapsedMs > 0 ? Math.round(((now.cpuNanos - base.cpuNanos) / elapsedMs) * 1000) : before?.nanoCores;
  const next = now.atMs - last.atMs >= windowMs / 2 ? [...looks, now] : looks;
  return { looks: next.slice(-4), nanoCores };
}
