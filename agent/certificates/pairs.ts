// Keys, requests and self-signed certificates: ECDSA P-256, PEM texts.
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type * as X509 from '@peculiar/x509';
import type { Validity } from './rules.ts';

export interface KeyPair {
  readonly cert: string;
  /** PKCS #8 */
  readonly key: string;
}

/** A certificate that cannot be had or used; the message says in one line why, and what would help. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const selfSignedLifeMs = 365 * 24 * 3600_000;
const backdateMs = 5 * 60_000;

/** Most agents never ask for a certificate, and the library is large. */
async function library(): Promise<typeof X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export const publicBytes = (key: string): Uint8Array => createPublicKey(key).export({ type: 'spki', format: 'der' });

async function cryptoKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const publicKey = await webcrypto.subtle.importKey('spki', publicBytes(pem), algorithm, true, ['verify']);
  return { privateKey, publicKey };
}

const named = (names: readonly string[]) =>
  names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value }));

export interface Subject {
  readonly commonName: string;
  readonly organization: string;
  readonly names: readonly string[];
}

/** A PKCS #10 request. */
export async function createRequest(key: string, { commonName, organization, names }: Subject): Promise<string> {
  const x509 = await library();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: [organization] }, { CN: [commonName] }],
    keys: await cryptoKeys(key),
    signingAlgorithm: algorithm,
    extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(named(names))] : [],
  });
  return `${request.toString('pem')}\n`;
}

/** As upstream makes one for a node that is given none: for the host's name, signed by nobody but itself. */
export async function createSelfSigned(host: string, nowMs: number): Promise<KeyPair> {
  const x509 = await library();
  const key = createKey();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`${host}@${Math.floor(nowMs / 1000)}`] }],
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + selfSignedLifeMs),
    signingAlgorithm: algorithm,
    keys: await cryptoKeys(key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      new x509.SubjectAlternativeNameExtension(named([host])),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key };
}

/** Of the first certificate in the text. Throws where there is none. */
export function validityOf(cert: string): Validity {
  const { validFrom, validTo } = new X509Certificate(cert);
  return { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
}

/** Its subject alternative names, addresses and host names. */
export function namesOf(cert: string): readonly string[] {
  const { subjectAltName = '' } = new X509Certificate(cert);
  return subjectAltName.split(', ').flatMap((text) => /^(?:DNS|IP Address):(.+)$/.exec(text)?.[1] ?? []);
}

/** Certificate and key in one text, apart; undefined where they do not belong together. */
export function splitPair(pem: string): KeyPair | undefined {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
  const cert = blocks.filter((block) => block.includes('BEGIN CERTIFICATE')).join('\n');
  const key = blocks.find((block) => block.includes('PRIVATE KEY'));
  if (cert === '' || !key) return undefined;
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
    ? { cert: `${cert}\n`, key: `${key}\n` }
    : undefined;
}
