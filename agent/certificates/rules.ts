// When a certificate will do, when it is renewed, and what is asked of the cluster. Times in milliseconds since 1970.
import { createHash } from 'node:crypto';

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Why a certificate is not good now, in words that tell a dead certificate from a wrong clock; undefined where it is good. */
export function whyNotNow({ notBeforeMs, notAfterMs }: Validity, nowMs: number): string | undefined {
  const now = `this host's clock says ${timeText(nowMs)}`;
  if (nowMs > notAfterMs) return `it ended at ${timeText(notAfterMs)}, and ${now}`;
  if (nowMs < notBeforeMs) return `it begins at ${timeText(notBeforeMs)}, but ${now}: one of the clocks is wrong`;
  return undefined;
}

/** Between 70 and 90 % of its life, so that not all nodes ask at once. `chance` is 0 to 1 and stays the same for one certificate. */
export const renewalMs = ({ notBeforeMs, notAfterMs }: Validity, chance: number): number =>
  notBeforeMs + (notAfterMs - notBeforeMs) * (0.7 + 0.2 * chance);

export interface CertificateWish {
  readonly signer: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving';
  readonly nodeName: string;
  /** Host names and addresses that it proves; none for clients. */
  readonly names: readonly string[];
}

export const usagesOf = ({ signer }: CertificateWish): readonly string[] => [
  'digital signature',
  signer === 'kubernetes.io/kubelet-serving' ? 'server auth' : 'client auth',
];

/** The same for the same key: asked again after a restart, it is the same request. */
export function requestName(wish: CertificateWish, publicKey: Uint8Array): string {
  const hash = createHash('sha256')
    .update(publicKey)
    .update(JSON.stringify([wish, usagesOf(wish)]));
  return `node-csr-${hash.digest('base64url')}`;
}

export interface SigningStatus {
  readonly conditions?: readonly { readonly type: string; readonly reason?: string; readonly message?: string }[];
  /** Base64 of PEM. */
  readonly certificate?: string;
}

export type SigningVerdict =
  | { readonly is: 'issued'; readonly cert: string }
  | { readonly is: 'refused'; readonly because: string }
  | { readonly is: 'waiting'; readonly for: 'approval' | 'signature' };

export function verdictOf({ conditions = [], certificate }: SigningStatus): SigningVerdict {
  const bad = conditions.find(({ type }) => type === 'Denied' || type === 'Failed');
  if (bad) return { is: 'refused', because: `${bad.type}: ${bad.message || bad.reason || 'no reason is given'}` };
  if (certificate) return { is: 'issued', cert: Buffer.from(certificate, 'base64').toString('utf8') };
  return { is: 'waiting', for: conditions.some(({ type }) => type === 'Approved') ? 'signature' : 'approval' };
}
