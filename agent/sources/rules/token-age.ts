// When a service account token must be asked for anew. Times in milliseconds since 1970.

export interface IssuedToken {
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

const longestUseMs = 24 * 60 * 60 * 1000;

/** After 80 % of its life, and after a day in any case; `jitterMs` spreads the requests of many pods. */
export function isTokenDue({ issuedAtMs, expiresAtMs }: IssuedToken, nowMs: number, jitterMs: number): boolean {
  const lifeMs = expiresAtMs - issuedAtMs;
  return nowMs > issuedAtMs + longestUseMs - jitterMs || nowMs > expiresAtMs - 0.2 * lifeMs - jitterMs;
}

export function isTokenExpired({ expiresAtMs }: IssuedToken, nowMs: number): boolean {
  return nowMs >= expiresAtMs;
}
