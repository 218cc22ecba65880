// When a certificate has to be made anew.

export interface CertificateFacts {
  readonly notAfterMs: number;
  /** Host names and addresses, canonical. */
  readonly names: readonly string[];
  readonly subject: string;
  readonly signedByCa: boolean;
  readonly keyFits: boolean;
}

export interface CertificateWish {
  readonly names: readonly string[];
  readonly subject: string;
}

const dayMs = 24 * 3600 * 1000;
export const caLifeMs = 3650 * dayMs;
export const leafLifeMs = 365 * dayMs;
const renewBeforeMs = 30 * dayMs;

/** Why a certificate on disk will not do; undefined when it will. */
export function whyIssue(
  found: CertificateFacts | undefined,
  wish: CertificateWish,
  nowMs: number,
): string | undefined {
  if (!found) return 'there is none yet';
  if (!found.keyFits) return 'its key is another one';
  if (!found.signedByCa) return 'it is signed by another authority';
  if (found.subject !== wish.subject) return 'it is for another subject';
  if (wish.names.some((name) => !found.names.includes(name))) return 'it does not name every address';
  if (found.notAfterMs - nowMs < renewBeforeMs) return 'it ends within 30 days';
  return undefined;
}
