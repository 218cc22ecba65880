// Makes certificates: ECDSA P-256, an authority of our own and leaves signed by it.
import { createPrivateKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type * as X509 from '@peculiar/x509';
import { caLifeMs, leafLifeMs } from './rules.ts';

/** PEM texts; the key is PKCS #8. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Leaf {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Host names and addresses that it proves; none for clients. */
  readonly names: readonly string[];
  readonly use: 'client' | 'server';
}

export const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
export const extendedUse = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
/** Clocks of other nodes may be a little behind. */
const backdateMs = 5 * 60_000;

/** The library asks for `Reflect.getMetadata` while it loads, and is needed only when something is issued. */
export async function library(): Promise<typeof X509> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A key as the library wants it, with its public half. */
export async function cryptoKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const { d: _, key_ops: __, ...half } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await webcrypto.subtle.importKey('jwk', half, algorithm, true, ['verify']);
  return { privateKey, publicKey };
}

/** At most 20 octets, positive, never again the same. */
export const serialNumber = (): string => `1${randomBytes(15).toString('hex')}0`.slice(0, 30);

export async function createAuthority(commonName: string, nowMs: number): Promise<KeyPair> {
  const x509 = await library();
  const key = createKey();
  const keys = await cryptoKeys(key);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + caLifeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key };
}

/** A leaf never outlives its authority: what it signed would stop being believed all the same. */
export async function createLeaf(ca: KeyPair, leaf: Leaf, nowMs: number): Promise<KeyPair> {
  const x509 = await library();
  const issuer = new x509.X509Certificate(ca.cert);
  const { privateKey: signingKey } = await cryptoKeys(ca.key);
  const key = createKey();
  const { publicKey } = await cryptoKeys(key);
  const names = leaf.names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value }));
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    issuer: issuer.subjectName.toJSON(),
    subject: [...leaf.organizations.map((name) => ({ O: [name] })), { CN: [leaf.commonName] }],
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(Math.min(nowMs + leafLifeMs, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([extendedUse[leaf.use]]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key };
}
